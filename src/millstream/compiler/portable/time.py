"""Refuse what a temporal filter of RisingWave compares with, unless it is a moment that never goes back."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.algebra.conditions import terms_of
from millstream.compiler.algebra.expression import CLOCKS, FLIPPED
from millstream.compiler.binder.temporal import as_bounds
from millstream.compiler.dialect import called, write
from millstream.compiler.syntax.intervals import microseconds
from millstream.diagnostics import refuse
from millstream.errors import Refused

UTC = ("utc",)


def of_clock(select: exp.Select, path: str | None) -> Iterator[Refused]:
    """Yield a refusal for every comparison with a moment that may go back."""
    for part in ("where", "having"):
        clause = select.args.get(part)
        for term in as_bounds(terms_of(clause.this)) if clause is not None else ():
            inner = term.unnest()
            if type(inner) not in FLIPPED:
                continue
            for side in (inner.this, inner.expression):
                if side.find(*CLOCKS) and not side.find(exp.Column, exp.Query) and not rises(side):
                    yield refuse("MS076", side, write(side).replace("CURRENT_TIMESTAMP", "now()"), path)
                    return


def rises(moment: exp.Expr) -> bool:
    """Tell whether an expression of now() surely never goes back; an interval that is computed may be a constant."""
    moment = moment.unnest()
    if isinstance(moment, CLOCKS):
        return True
    if isinstance(moment, (exp.Add, exp.Sub)):
        if moment.right.find(*CLOCKS):
            return isinstance(moment, exp.Add) and rises(moment.right) and not has_months(moment.left)
        return rises(moment.left) and not has_months(moment.right)
    if isinstance(moment, exp.AtTimeZone):
        return rises(moment.this) and moment.args["zone"].name.lower() in UTC
    if called(moment) == "date_trunc":
        unit, instant, *zone = moment.expressions
        return isinstance(unit, exp.Literal) and rises(instant) and all(z.name.lower() in UTC for z in zone)
    return False


def has_months(interval: exp.Expr) -> bool:
    """Tell whether an interval that is written out has months."""
    interval = interval.unnest()
    written = isinstance(interval, exp.Interval) or (
        isinstance(interval, exp.Cast) and isinstance(interval.this, exp.Literal)
    )
    return written and microseconds(interval) is None
