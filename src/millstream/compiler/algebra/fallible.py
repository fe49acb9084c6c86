"""Scalar operations that fail on some values: which they are, and the text that the analyst wrote.

Where a value makes one of them fail, RisingWave's streams give NULL for that operation alone and count it; what stands
around it goes on with the NULL. `compiler/postgres/lenient.py` writes the same for PostgreSQL. Binding replaces columns and lifts
aggregates out of expressions, so the text to report is noted before that, on the nodes themselves: it survives copies.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.dialect import Prefix, called, write

WRITTEN = "written"  # meta: the operation as text, before binding
MODEL = "model"  # meta: the stored version of the materialized view that computes it

OPERATIONS = (exp.Cast, exp.Div, exp.Mod, exp.Pow, Prefix, exp.Anonymous)
TRIED = {  # functions that are tried, and what they return
    "to_timestamp": "timestamptz",
    "to_date": "date",
    "decode": "bytea",
    "inet_aton": "bigint",
    "make_date": "date",
    "make_timestamp": "timestamp",
}
NAMES = frozenset(
    ("sqrt", "ln", "log", "log10", "mod", "power", "pow", "exp", "asin", "acos", "jsonb_array_length", *TRIED)
)
ROOT = "|/"


def is_fallible(node: exp.Expr) -> bool:
    """Tell whether a node may fail on a value; what only has literals in it fails when it is deployed, or never."""
    if isinstance(node, exp.Cast):
        sure = isinstance(node.this, (exp.Literal, exp.Null, exp.Boolean))
        empty = isinstance(node.this, exp.Array) and not node.this.expressions
        return not sure and not empty and not node.to.is_type(*exp.DataType.TEXT_TYPES)
    if isinstance(node, (exp.Div, exp.Mod)):
        return not (isinstance(node.expression, exp.Literal) and float(node.expression.name) != 0)
    if isinstance(node, Prefix):
        return bool(node.args["operator"] == ROOT)
    if isinstance(node, exp.Anonymous):
        name = called(node)
        return name in NAMES and not (name == "to_timestamp" and len(node.expressions) == 1)
    return isinstance(node, exp.Pow)


def note_text(tree: exp.Expr) -> None:
    """Let every fallible operation remember how it was written, unless it does already."""
    for node in tree.find_all(*OPERATIONS):
        if is_fallible(node):
            node.meta.setdefault(WRITTEN, write(node))


def note_model(tree: exp.Expr, model: str) -> None:
    """Let every fallible operation remember which model computes it."""
    for node in tree.find_all(*OPERATIONS):
        if is_fallible(node):
            node.meta[MODEL] = model
