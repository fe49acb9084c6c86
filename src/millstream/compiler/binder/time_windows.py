"""Bind TUMBLE and HOP in FROM: rows with the start and end of the time windows in which they fall.

Windows are aligned to 1970-01-01 00:00 UTC plus the offset. A row whose instant is NULL has the window (NULL, NULL) in
TUMBLE and none in HOP, as in RisingWave.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column
from millstream.compiler.algebra.operators import Filter, Plan, Project, Unnest, identity
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.scope import Columns, Scope
from millstream.compiler.binder.tables import bind_table
from millstream.compiler.syntax.from_items import Name, item_name
from millstream.compiler.syntax.intervals import microseconds
from millstream.compiler.syntax.types import INSTANTS
from millstream.diagnostics import refuse

ORIGIN = "1970-01-01 00:00:00+00"  # a literal without a type: PostgreSQL reads it as the type of the instant
MOST_WINDOWS = 10_000  # rows that HOP may make of one


def bind_time_window(binder: Binder, call: exp.Anonymous, scope: Scope) -> tuple[Plan, Columns, Name]:
    """Bind TUMBLE(relation, instant, size [, offset]) or HOP(relation, instant, slide, size [, offset]).

    Returns the plan, its columns, and the name by which they are known without an alias.
    """
    context = scope.context
    name = call.name.upper()
    lengths = 1 if name == "TUMBLE" else 2
    if not lengths + 2 <= len(call.expressions) <= lengths + 3:
        raise refuse("MS058", call, f"{name} with {len(call.expressions)} arguments", context.path)
    relation, instant, *intervals = call.expressions
    if not isinstance(relation, exp.Column) or not isinstance(instant, exp.Column):
        raise refuse("MS058", call, f"{name} of an expression", context.path)
    known = [microseconds(interval) for interval in intervals]
    if None in known or any((each or 0) <= 0 for each in known[:lengths]):
        raise refuse("MS058", call, f"{name} with a length that is not constant", context.path)
    table = exp.Table(this=relation.this.copy(), db=relation.args.get("table"))
    plan, columns = bind_table(binder, table, scope)
    if {"window_start", "window_end"} & {label for label, _ in columns}:
        raise refuse("MS058", call, f"{name} of a relation that has window_start or window_end", context.path)
    source = Scope(context)
    shown_as = item_name(table, scope.ctes_in_sight())
    source.add(shown_as, columns)
    moment = source.resolve(instant)
    if moment.type is not None and moment.type not in (*INSTANTS, "date"):
        raise refuse("MS058", instant, f"{name} by a column of type {moment.type}", context.path)
    offset = intervals[lengths] if len(intervals) > lengths else None
    if name == "TUMBLE":
        plan, start = tumble(plan, moment, intervals[0], offset, scope)
    else:
        slide, size = known[0] or 1, known[1] or 1
        if size % slide or size // slide > MOST_WINDOWS:
            raise refuse("MS058", call, "HOP whose size is not a small multiple of its slide", context.path)
        plan = Filter(plan, exp.Not(this=exp.Is(this=column(moment), expression=exp.Null())))
        plan, start = tumble(plan, moment, intervals[0], offset, scope)
        plan, start = hop(plan, start, intervals[0], size // slide, scope)
    end = Attribute(context.names.fresh("window_end"), start.type, start.nullable)
    ended = exp.Add(this=column(start), expression=intervals[lengths - 1].copy())
    plan = Project(plan, (*identity(plan), (end, ended)))
    return plan, [*columns, ("window_start", start), ("window_end", end)], shown_as


def tumble(
    plan: Plan, moment: Attribute, size: exp.Expr, offset: exp.Expr | None, scope: Scope
) -> tuple[Plan, Attribute]:
    """Compute the start of the window of length `size` in which each row's instant falls."""
    instant: exp.Expr = column(moment)
    type_ = moment.type
    if type_ == "date":
        instant, type_ = exp.cast(instant, "timestamp"), INSTANTS[1]
    if offset is not None:
        instant = exp.Sub(this=instant, expression=offset.copy())
    start: exp.Expr = exp.Anonymous(
        this="date_bin", expressions=[size.copy(), instant, exp.Literal.string(ORIGIN)]
    )
    if offset is not None:
        start = exp.Add(this=start, expression=offset.copy())
    attribute = Attribute(scope.context.names.fresh("window_start"), type_, moment.nullable)
    return Project(plan, (*identity(plan), (attribute, start))), attribute


def hop(plan: Plan, latest: Attribute, slide: exp.Expr, count: int, scope: Scope) -> tuple[Plan, Attribute]:
    """Make `count` rows of each: the window that starts last, and those that started one slide earlier each."""
    names = scope.context.names
    earlier = Attribute(names.fresh("earlier"), "integer", False)
    numbers = exp.cast(exp.Literal.string("{" + ",".join(map(str, range(count))) + "}"), "int[]")
    start = Attribute(names.fresh("window_start"), latest.type, False)
    moved = exp.Sub(this=column(latest), expression=exp.Mul(this=slide.copy(), expression=column(earlier)))
    unfolded = Unnest(plan, (exp.Unnest(expressions=[numbers]),), ((earlier,),), None)
    kept = tuple((a, column(a)) for a in plan.columns if a.name != latest.name)
    return Project(unfolded, (*kept, (start, moved))), start
