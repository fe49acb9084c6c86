"""Bind temporal filters: comparisons of a row's instants with now().

A filter is kept by looking, at every tick, for the rows between its bound at the last tick and its bound now; an index on
the compared column serves that. So what is computed from the column is moved to the side of now() where that is exact:

    ts + interval > now()                      ts > now() - interval
    date_trunc(u, ts) >= b                     ts >= b rounded up to u
    date_trunc(u, ts) <= b                     ts < b rounded down to u, plus one u
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS, FLIPPED
from millstream.compiler.algebra.operators import Plan, TimeFilter
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Scope
from millstream.compiler.dialect import called
from millstream.compiler.syntax.intervals import MICROSECONDS, microseconds
from millstream.diagnostics import refuse

STEPS = {
    **{unit: f"1 {unit}" for unit in MICROSECONDS},
    "month": "1 month",
    "quarter": "3 months",
    "year": "1 year",
}


def as_bounds(terms: list[exp.Expr]) -> Iterator[exp.Expr]:
    """Write BETWEEN and = with now() as two comparisons, each a term of its own."""
    for term in terms:
        inner = term
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if isinstance(inner, exp.Between) and not inner.args.get("symmetric") and inner.find(*CLOCKS):
            yield exp.GTE(this=inner.this.copy(), expression=inner.args["low"].copy())
            yield exp.LTE(this=inner.this.copy(), expression=inner.args["high"].copy())
        elif isinstance(inner, exp.EQ) and (inner.left.find(*CLOCKS) is None) != (
            inner.right.find(*CLOCKS) is None
        ):
            yield exp.GTE(this=inner.left.copy(), expression=inner.right.copy())
            yield exp.LTE(this=inner.left.copy(), expression=inner.right.copy())
        else:
            yield term


def bind_temporal(term: exp.Expr, plan: Plan, scope: Scope) -> TimeFilter:
    """Bind `value > now() - interval` in either order, with >, >=, < or <=; `=` and BETWEEN have become two of these."""
    path = scope.context.path
    while isinstance(term, exp.Paren):
        term = term.this
    if type(term) not in FLIPPED:
        raise refuse("MS014", term, "under OR, NOT or a function", path)
    value, bound = term.this, term.expression
    comparison: type[exp.Binary] = type(term)  # type: ignore[assignment]
    if value.find(*CLOCKS):
        value, bound, comparison = bound, value, FLIPPED[comparison]
    if value.find(*CLOCKS) or any(bound.find_all(exp.Column)):
        raise refuse("MS014", term, "compared with itself or mixed with columns", path)
    if bound.find(exp.CurrentDate, exp.CurrentTime):
        raise refuse("MS014", term, "as current_date or current_time", path)
    value, comparison, bound = isolated(value.copy(), comparison, bound.copy())
    return TimeFilter(plan, bind(value, scope), comparison, bind(bound, scope, clock=True))


def isolated(
    value: exp.Expr, comparison: type[exp.Binary], bound: exp.Expr
) -> tuple[exp.Expr, type[exp.Binary], exp.Expr]:
    """Move what is computed from the compared instant to the side of now(), as far as that is exact."""
    while True:
        while isinstance(value, exp.Paren):
            value = value.this
        if isinstance(value, (exp.Add, exp.Sub)) and microseconds(value.expression) is not None:
            opposite = exp.Sub if isinstance(value, exp.Add) else exp.Add
            bound = opposite(this=exp.paren(bound), expression=value.expression)
            value = value.this
            continue
        rounding = rounds_down(value)
        if rounding is None:
            return value, comparison, bound
        inner, floor, step, aligned = rounding
        if comparison in (exp.GTE, exp.LT):
            bound = bound if aligned(bound) else rounded_up(bound, floor, step)
        else:
            bound = exp.Add(this=exp.paren(bound if aligned(bound) else floor(bound)), expression=step.copy())
            comparison = exp.GTE if comparison is exp.GT else exp.LT
        value = inner


Floor = Callable[[exp.Expr], exp.Expr]


def rounds_down(value: exp.Expr) -> tuple[exp.Expr, Floor, exp.Expr, Callable[[exp.Expr], bool]] | None:
    """For date_trunc and date_bin: what is rounded, the same rounding of another instant, its step, and what keeps to it."""
    unit = truncated_to(value)
    if unit is not None:
        step = exp.cast(exp.Literal.string(STEPS[unit]), "interval")
        return value.expressions[1], replacing_instant(value), step, lambda bound: keeps_to(bound, unit)
    if called(value) == "date_bin" and len(value.expressions) == 3:
        stride, instant, origin = value.expressions
        if stride.find(exp.Column) or origin.find(exp.Column):
            return None
        return instant, replacing_instant(value), exp.cast(stride.copy(), "interval"), lambda bound: False
    return None


def truncated_to(value: exp.Expr) -> str | None:
    """The unit of `date_trunc('unit', instant)`; None for anything else."""
    if called(value) != "date_trunc" or len(value.expressions) != 2:
        return None
    unit = value.expressions[0]
    name = unit.name.lower() if isinstance(unit, exp.Literal) and unit.is_string else ""
    return name if name in STEPS else None


def replacing_instant(call: exp.Expr) -> Floor:
    """The same rounding of another instant."""

    def floor(instant: exp.Expr) -> exp.Expr:
        made = call.copy()
        made.expressions[1].replace(instant.copy())
        return made

    return floor


def rounded_up(bound: exp.Expr, floor: Floor, step: exp.Expr) -> exp.Expr:
    """The next instant of a rounding that is not before `bound`."""
    down = floor(bound)
    exact = exp.EQ(this=down.copy(), expression=exp.paren(bound.copy()))
    above = exp.Add(this=down, expression=step.copy())
    return exp.paren(exp.Case().when(exact, bound.copy()).else_(above))


def keeps_to(bound: exp.Expr, unit: str) -> bool:
    """Tell whether an instant computed from now() is surely one of a unit's starts."""
    while isinstance(bound, exp.Paren):
        bound = bound.this
    if truncated_to(bound) is not None:
        return truncated_to(bound) == unit
    if isinstance(bound, (exp.Add, exp.Sub)) and unit in MICROSECONDS:
        moved = microseconds(bound.expression)
        return moved is not None and moved % MICROSECONDS[unit] == 0 and keeps_to(bound.this, unit)
    return False
