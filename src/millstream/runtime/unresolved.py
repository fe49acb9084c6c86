"""A call that PostgreSQL does not resolve, told as the model wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlglot import exp

from millstream.diagnostics import place
from millstream.dialect import called, write
from millstream.errors import Diagnostic, Refused
from millstream.front.known_functions import INSTEAD
from millstream.front.parse import parse
from millstream.front.portable_calls import remedy
from millstream.front.signatures import signatures

CAST = "cast an operand: x::numeric, x::varchar"
UNRESOLVED = (psycopg.errors.UndefinedFunction, psycopg.errors.AmbiguousFunction)
CALL = re.compile(r'function (?:millstream\.)?(?:try_)?"?(\w+)"?\((.*)\)')
GUARDED = {  # functions and operators with which emit/lenient.py guards others
    "jsonb_typeof": ("jsonb_array_length",),
    "has_exponential": ("exp",),
    "abs": ("asin", "acos"),
    "<=": ("ln", "log", "log10"),
    "<": ("sqrt", "|/", "power", "pow", "^"),
    "=": ("/", "%", "mod", "power", "pow", "^"),
}
OPERATOR = re.compile(r"operator [\w ]+: (?:(.+?) )?([-+*/<>=~!@#%^&|`?]+) (.+)")


@contextmanager
def resolved(text: str, path: str | None) -> Iterator[None]:
    """Turn what PostgreSQL says of a function or an operator inside into a refusal of the call in `text`."""
    try:
        yield
    except UNRESOLVED as error:
        refusal = unresolved(error.diag.message_primary or "", text, path)
        if refusal is None:
            raise
        raise refusal from error


def unresolved(message: str, text: str, path: str | None) -> Refused | None:
    """The refusal of the call that a message names; None where the text has no such call."""
    function, operator = CALL.search(message), OPERATOR.search(message)
    nodes = list(parse(text, path).walk())
    for node in nodes:
        if function and function[1] in (called(node), name_of(node)):
            name, types = function[1], function[2]
            return refusal(node, f"function {name}({types})", function_hint(name), path)
        if operator and symbol(node) == operator[2]:
            shown = " ".join(part for part in operator.groups() if part)
            return refusal(node, f"operator {shown}", CAST, path)
    guards = GUARDED.get(function[1] if function else operator[2] if operator else "", ())
    for node in nodes:
        name = called(node) or symbol(node)
        if name in guards:
            return refusal(node, write(node), function_hint(name) if called(node) else CAST, path)
    return None


def refusal(node: exp.Expr, construct: str, hint: str, path: str | None) -> Refused:
    """Make the refusal."""
    why = "there is none of that name that takes these types"
    return Refused(Diagnostic("MS078", construct, why, hint, path, *place(node)))


def function_hint(name: str) -> str:
    """What the function takes, or which one may be meant."""
    forms = signatures().get(name, ())
    if forms:
        return f"it takes  {' or '.join(dict.fromkeys(str(form) for form in forms))}; cast the arguments"
    return INSTEAD.get(name) or remedy(name)


def name_of(node: exp.Expr) -> str:
    """The name of a function that has a node of its own."""
    return write(node).split("(")[0].lower() if isinstance(node, exp.Func) else ""


def symbol(node: exp.Expr) -> str:
    """The operator that a node stands for."""
    if not isinstance(node, (exp.Binary, exp.Unary)) or isinstance(node, (exp.Paren, exp.Not, exp.Connector)):
        return ""
    given = node.args.get("operator")
    return str(given or SYMBOLS.get(type(node), ""))


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
}
