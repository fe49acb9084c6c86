"""Expressions as PostgreSQL text."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS, transform
from millstream.compiler.dialect import respell, write
from millstream.compiler.postgres.lenient import lenient


def scalar(expression: exp.Expr, clock: str = "now", *, guarded: bool = True) -> str:
    """Render an expression; now() reads the tick's clock, and what fails on a value is NULL as in RisingWave."""
    if is_name(expression):
        return write(expression, copy=False)

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, CLOCKS):
            return exp.Anonymous(this="millstream.now" if clock == "now" else "millstream.last_now")
        return node

    changed = transform(expression, change)
    if guarded:
        changed = lenient(changed)
    return write(respell(changed), copy=False)


def is_name(expression: exp.Expr) -> bool:
    """Tell whether an expression is a column and nothing else, as most are: there is nothing to change in it."""
    return isinstance(expression, exp.Column) and isinstance(expression.this, exp.Identifier)
