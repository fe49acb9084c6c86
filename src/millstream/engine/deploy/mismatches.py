"""Types that do not fit, and constants that are none of their type: where the text of a model has what PostgreSQL means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.binder.written_types import Known, Typed, typed
from millstream.compiler.dialect import called, write

MOST = 100  # letters of a construct that are shown
CAST = "cast an operand: x::numeric, x::varchar"
CONSTANT = "correct the constant, or cast the other side"
ONE_TYPE = "cast them to one type: x::numeric, x::varchar"
TYPES = "write varchar, integer, bigint, numeric, double precision, boolean, date, timestamp, timestamptz, interval, jsonb or bytea"
UNION = re.compile(
    r"(COALESCE|GREATEST|LEAST|CASE|ARRAY|UNION|INTERSECT|EXCEPT|VALUES) types .+ and .+ cannot be matched"
)
QUOTED = re.compile(r'"([^"]*)"')
COLUMN = re.compile(r"column (\w+\.\w+) does not exist")
OF_TYPE = re.compile("for type ([^:]+):")
CONDITIONS: dict[str, tuple[type[exp.Expr], ...]] = {
    "NOT": (exp.Not,),
    "AND": (exp.And,),
    "OR": (exp.Or,),
    "IS": (exp.Is,),
    "CASE": (exp.If,),
    "FILTER": (exp.Filter,),
    "WHERE": (exp.Where,),
    "HAVING": (exp.Having,),
    "JOIN": (exp.Join,),
}
SETS = ("UNION", "INTERSECT", "EXCEPT")
LISTS: dict[str, tuple[type[exp.Expr], ...]] = {
    "COALESCE": (exp.Coalesce,),
    "CASE": (exp.Case,),
    "ARRAY": (exp.Array,),
    "VALUES": (exp.Values,),
}
Means = Callable[[exp.Expr, Known, re.Match[str]], bool]


@dataclass(frozen=True)
class Found:
    """The node of a definition that a message of PostgreSQL speaks of, and what to write instead."""

    node: exp.Expr
    construct: str
    hint: str


def short(node: exp.Expr) -> str:
    """A node as it was written, cut where it is long."""
    text = write(node)
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def mismatched(message: str, nodes: Typed) -> Found | None:
    """What a message about types or a constant speaks of; None where the text has nothing such."""
    found = construct(message, nodes)
    return Found(found[0], short(found[0]), found[1]) if found is not None else None


def construct(message: str, nodes: Typed) -> tuple[exp.Expr, str] | None:
    """The node that a message speaks of, with a hint."""
    if union := UNION.search(message):
        return chosen(union[1], nodes)
    for pattern, means, hint in KINDS:
        if (said := pattern.search(message)) is not None:
            for node, known in nodes:
                if means(node, known, said):
                    return node, hint
    return constant(message, QUOTED.findall(message), nodes)


def is_condition(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a clause or operator takes a condition and has a value of the type that is told."""
    return isinstance(node, CONDITIONS.get(said[1], ())) and any(
        typed(part, known) in (said[2], None) for part in conditions(node)
    )


def is_cast(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node is the cast from a type to a type, as far as these can be told."""
    types = (typed(node.this, known), typed(node, known)) if isinstance(node, exp.Cast) else ()
    return bool(types) and all(a in (b, None) for a, b in zip(types, said.groups(), strict=True))


def has_text(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a call has a text literal, which is of no type yet."""
    return called(node) != "" and any(
        isinstance(each, exp.Literal) and each.is_string for each in node.expressions
    )


def is_of(*kinds: type[exp.Expr]) -> Means:
    """Tell whether a node is of a kind, over a value of the type that is told, if any is."""

    def means(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
        return isinstance(node, kinds) and (not said.groups() or typed(node.this, known) in (said[1], None))

    return means


def is_untyped_list(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node is an empty list without a cast."""
    return isinstance(node, exp.Array) and not node.expressions and not isinstance(node.parent, exp.Cast)


def is_cast_number(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node is the cast of a constant to the type that is told."""
    return isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and typed(node, known) == said[1]


def is_item(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node is an item of a SELECT list under the name that is told."""
    return isinstance(node.parent, exp.Alias) and node.arg_key == "this" and node.parent.alias == said[1]


def names_type(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node is a cast to the type that is told."""
    return isinstance(node, exp.Cast) and write(node.to).lower() == said[1]


def is_collated(node: exp.Expr, known: Known, said: re.Match[str]) -> bool:
    """Tell whether a node has the collation that is told."""
    return isinstance(node, exp.Collate) and node.expression.name == said[1]


KINDS: tuple[tuple[re.Pattern[str], Means, str], ...] = (
    (
        re.compile(r"argument of ([A-Z]+)\b.* must be type boolean, not type (.+)"),
        is_condition,
        "write a condition:  x = 1, x IS NOT NULL, x::boolean",
    ),
    (
        re.compile("cannot cast type (.+) to (.+)"),
        is_cast,
        "cast it to a text in between, or compute the value from its parts",
    ),
    (
        re.compile("could not determine polymorphic type"),
        has_text,
        "cast the text to the type that is meant: 'a'::varchar",
    ),
    (re.compile("cannot subscript type (.+) because"), is_of(exp.Bracket), CAST),
    (re.compile(r"op ANY/ALL \(array\) requires array"), is_of(exp.Any, exp.All), CAST),
    (re.compile(r"column notation \S+ applied to type ([^,]+)"), is_of(exp.Dot), CAST),
    (
        re.compile("cannot determine type of empty array"),
        is_untyped_list,
        "say its type:  array[]::varchar[]",
    ),
    (re.compile("(smallint|integer|bigint) out of range"), is_cast_number, CONSTANT),
    (
        re.compile('column "(.*)" has pseudo-type record'),
        is_item,
        "give each field a column of its own",
    ),
    (re.compile('type "(.+)" does not exist'), names_type, TYPES),
    (
        re.compile('collation "(.+)" for encoding'),
        is_collated,
        'write  COLLATE "C", or leave it out',
    ),
)


def chosen(wanted: str, nodes: Typed) -> tuple[exp.Expr, str] | None:
    """The expression, or the second query of the set operation, whose values are of no one type."""
    if wanted in SETS:
        known = {id(node): types for node, types in nodes}
        sets = [node for node, _ in nodes if isinstance(node, exp.SetOperation)]
        likeliest = sorted(sets, key=lambda node: not differ(node, known))
        return (likeliest[0].expression, ONE_TYPE) if likeliest else None
    for node, types in nodes:
        listed = isinstance(node, LISTS.get(wanted, ())) or called(node).upper() == wanted
        if listed and len(set(filter(None, (typed(part, types) for part in parts(node))))) != 1:
            return node, ONE_TYPE
    return None


def differ(node: exp.SetOperation, known: dict[int, Known]) -> bool:
    """Tell whether two columns of a set operation are surely of different types."""
    columns = [
        [typed(item, known.get(id(side), {})) for item in side.selects]
        for side in (node.left, node.right)
        if isinstance(side, exp.Select)
    ]
    pairs = zip(*columns, strict=False) if len(columns) == 2 else ()
    return any(a != b for a, b in pairs if a is not None and b is not None)


def constant(message: str, quoted: Sequence[str], nodes: Typed) -> tuple[exp.Expr, str] | None:
    """The text literal that a message quotes, wholly or in part; first of all where it stands for the type that is told."""
    of_type = OF_TYPE.search(message)
    literals = [(n, known) for n, known in nodes if isinstance(n, exp.Literal) and n.is_string]
    whole = [(node, known) for node, known in literals if node.name in quoted]
    part = [(n, known) for n, known in literals if any(each and each in n.name for each in quoted)]
    for node, known in whole:
        others = node.parent.iter_expressions() if node.parent is not None else ()
        if of_type is not None and any(typed(each, known) == of_type[1] for each in others):
            return node, CONSTANT
    return next(((node, CONSTANT) for node, _ in whole or part), None)


def named(message: str, nodes: Typed) -> exp.Expr | None:
    """The column or field that a message quotes, with or without what it is of."""
    quoted = [*QUOTED.findall(message), *COLUMN.findall(message)]
    last = [each.split(".")[-1] for each in quoted]
    columns = (node for node, _ in nodes if isinstance(node, (exp.Column, exp.Dot)))
    return next((node for node in columns if node.name in last), None)


def parts(node: exp.Expr) -> list[exp.Expr]:
    """The values that an expression chooses between or gathers."""
    if isinstance(node, exp.Case):
        values = [each.args["true"] for each in node.args["ifs"]]
        return [*values, node.args["default"]] if node.args.get("default") is not None else values
    return [node.this, *node.expressions] if isinstance(node, exp.Coalesce) else list(node.expressions)


def conditions(node: exp.Expr) -> list[exp.Expr]:
    """The conditions of a clause."""
    if isinstance(node, exp.Connector):
        return [node.left, node.right]
    if isinstance(node, exp.Join):
        return [node.args["on"]] if node.args.get("on") is not None else []
    if isinstance(node, exp.Filter):
        return [node.expression.this]
    return [node.this]
