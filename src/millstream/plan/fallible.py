"""Scalar operations that fail on some values: which they are, and the text that the analyst wrote.

Where a value makes one of them fail, RisingWave's streams give NULL for that operation alone and count it; what stands
around it goes on with the NULL. `emit/lenient.py` writes the same for PostgreSQL. Binding replaces columns and lifts
aggregates out of expressions, so the text to report is noted before that, on the nodes themselves: it survives copies.
"""

from __future__ import annotations

from sqlglot import exp

WRITTEN = "written"  # meta: the operation as text, before binding
MODEL = "model"  # meta: the stored version of the materialized view that computes it

OPERATIONS = (
    exp.Cast,
    exp.Div,
    exp.Mod,
    exp.Sqrt,
    exp.Ln,
    exp.Log,
    exp.Pow,
    exp.Exp,
    exp.Asin,
    exp.Acos,
    exp.StrToTime,
    exp.StrToDate,
    exp.Decode,
)
NAMES = frozenset({"jsonb_array_length", "make_date", "make_timestamp"})


def is_fallible(node: exp.Expr) -> bool:
    """Tell whether a node may fail on a value; what only has literals in it fails when it is deployed, or never."""
    if isinstance(node, exp.Cast):
        return not isinstance(node.this, (exp.Literal, exp.Null, exp.Boolean)) and not node.to.is_type(
            *exp.DataType.TEXT_TYPES
        )
    if isinstance(node, (exp.Div, exp.Mod)):
        return not (isinstance(node.expression, exp.Literal) and float(node.expression.name) != 0)
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in NAMES
    return isinstance(node, OPERATIONS)


def note_text(tree: exp.Expr, dialect: str) -> None:
    """Let every fallible operation remember how it was written."""
    for node in tree.find_all(*OPERATIONS, exp.Anonymous):
        if is_fallible(node):
            node.meta[WRITTEN] = node.sql(dialect)


def note_model(tree: exp.Expr, model: str) -> None:
    """Let every fallible operation remember which model computes it."""
    for node in tree.find_all(*OPERATIONS, exp.Anonymous):
        if is_fallible(node):
            node.meta[MODEL] = model
