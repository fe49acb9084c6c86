"""Which operators and functions of PostgreSQL an expression stands for, with their operands."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.dialect import Worded, called, write

SYMBOLS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Neg: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.Pow: "^",
    exp.DPipe: "||",
    exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Like: "~~",
    exp.ILike: "~~*",
    exp.SimilarTo: "~",
    exp.NullSafeEQ: "=",
    exp.NullSafeNEQ: "=",
}
TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim"}
Applied = tuple[str, tuple[exp.Expr, ...]]


def operators(node: exp.Expr) -> Iterator[Applied]:
    """Yield the operators that a node stands for."""
    if isinstance(node, exp.In):
        yield from (("=", (node.this, each)) for each in node.expressions)
        if (query := node.args.get("query")) is not None:
            yield "=", (node.this, query)
    elif isinstance(node, exp.Between):
        yield ">=", (node.this, node.args["low"])
        yield "<=", (node.this, node.args["high"])
    elif isinstance(node, exp.Case):
        if node.this is not None:
            yield from (("=", (node.this, when.this)) for when in node.args["ifs"])
    elif called(node) == "nullif":
        yield "=", tuple(node.expressions)
    elif symbol := str(node.args.get("operator") or SYMBOLS.get(type(node), "")):
        yield symbol, (node.this,) if isinstance(node, exp.Unary) else (node.this, node.expression)
        if isinstance(node.this, exp.Tuple) and isinstance(node.expression, exp.Tuple):
            pairs = zip(node.this.expressions, node.expression.expressions, strict=False)
            yield from ((symbol, pair) for pair in pairs)


def functions(node: exp.Expr) -> Iterator[Applied]:
    """Yield the functions that a node calls; syntax of its own stands for a function, too."""
    if isinstance(node, exp.Extract):
        yield "extract", (node.this, node.expression)
    elif isinstance(node, exp.AtTimeZone):
        yield "timezone", (node.args["zone"], node.this)
    elif isinstance(node, Worded):
        arguments = tuple(node.expressions)
        yield called(node), arguments
        if called(node) == "position":
            yield "position", arguments[::-1]
        elif called(node) == "trim":
            side = TRIMS.get(node.args["words"].split("|")[0].removesuffix(" FROM"), "btrim")
            yield side, arguments if "FROM" not in node.args["words"].split("|") else arguments[::-1]
    elif isinstance(node, exp.Anonymous):
        yield called(node), tuple(node.expressions)
    elif isinstance(node, exp.Func):
        arguments = (node.this, *node.expressions) if isinstance(node.this, exp.Expr) else ()
        yield write(node).split("(")[0].lower(), arguments
