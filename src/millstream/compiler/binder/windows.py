"""Bind window functions: those over the same rows in the same order become one operator.

Where rows tie in ORDER BY, a function that tells them apart (row_number, lag, a ROWS frame) would give another result
whenever PostgreSQL sorts again. Its order is continued by what makes it total; functions for which rows that tie are
peers (rank, a RANGE frame of an aggregate) keep the order as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.keys import is_total, tie_break
from millstream.compiler.algebra.operators import Plan, Project, Window, identity
from millstream.compiler.binder.ordered import is_ordered, known_value, order_of, skips_nulls
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Scope, introduced
from millstream.compiler.dialect import called, write
from millstream.diagnostics import refuse

POSITIONS = (exp.RowNumber, exp.Ntile, exp.Lag, exp.Lead)  # their frame is the whole partition
VALUES = (exp.FirstValue, exp.LastValue, exp.NthValue)
PEERS = (exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist)
NEVER_NULL = (exp.RowNumber, exp.Count, exp.Ntile, *PEERS)
UNBOUNDED, CURRENT = "UNBOUNDED", "CURRENT ROW"


@dataclass(frozen=True)
class Over:
    """One function with its OVER clause, bound."""

    partition: tuple[exp.Expr, ...]
    order: tuple[exp.Expr, ...]
    frame: exp.WindowSpec | None
    tied: bool  # whether its order has to be continued where rows tie


def bind_windows(
    items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope, named: list[exp.Window] | None = None
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """Put the window functions of a SELECT list on top of a plan; return the list over their results."""
    context = scope.context
    clauses = resolve_names(named or [], context.path)
    members: list[tuple[Attribute, exp.Window]] = []

    def lift(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Window):
            return node
        call = function_of(node)
        attribute = Attribute(
            context.names.fresh(called(call) or call.key), None, not isinstance(call, NEVER_NULL)
        )
        members.append((attribute, completed(node, clauses, context.path)))
        scope.introduce(attribute)
        return introduced(attribute)

    rewritten = [(name, item.copy().transform(lift, copy=False)) for name, item in items]
    if not members:
        return plan, rewritten
    overs = [(attribute, window, bind_over(window, plan, scope)) for attribute, window in members]
    plan, partitions = with_partitions([over for _, _, over in overs], plan, scope)
    groups: dict[str, list[tuple[Attribute, exp.Window, Over]]] = {}
    for attribute, window, over in overs:
        groups.setdefault(repr((over.partition, over.order, over.frame, over.tied)), []).append(
            (attribute, window, over)
        )
    for group in groups.values():
        _, _, over = group[0]
        partition = partitions[repr(over.partition)]
        ties = tie_break(plan, partition, over.order) if over.tied else ()
        functions = tuple((attribute, bind(written(window.this), scope)) for attribute, window, _ in group)
        plan = Window(plan, partition, over.order, functions, over.frame, ties)
    return plan, rewritten


def written(function: exp.Expr) -> exp.Expr:
    """A function as PostgreSQL has it."""
    return known_value(function) if skips_nulls(function) else function


def function_of(window: exp.Window) -> exp.Expr:
    """The function itself, without FILTER."""
    call: exp.Expr = window.this
    return call.this if isinstance(call, exp.Filter) else call


def resolve_names(named: list[exp.Window], path: str | None) -> dict[str, exp.Window]:
    """Complete the definitions of the WINDOW clause, each of which may start from an earlier one."""
    found: dict[str, exp.Window] = {}
    for definition in named:
        if definition.name in found:
            raise refuse("MS005", definition, f"{definition.name} in WINDOW", path)
        found[definition.name] = completed(definition, found, path)
    return found


def completed(window: exp.Window, clauses: dict[str, exp.Window], path: str | None) -> exp.Window:
    """Put the named definition that an OVER clause starts from in place of the name."""
    alias = window.args.get("alias")
    if alias is None:
        return window
    base = clauses.get(alias.name)
    if base is None:
        raise refuse("MS003", window, f"window {alias.name}", path)
    made = window.copy()
    made.set("alias", None)
    for part in ("partition_by", "order", "spec"):
        if not made.args.get(part) and base.args.get(part):
            value = base.args[part]
            made.set(part, [e.copy() for e in value] if isinstance(value, list) else value.copy())
    return made


def bind_over(window: exp.Window, plan: Plan, scope: Scope) -> Over:
    """Bind an OVER clause and decide what becomes of rows that tie in its order."""
    path = scope.context.path
    call = function_of(window)
    named = call.this if skips_nulls(call) else call
    name = write(named).split("(")[0].lower()
    partition = tuple(bind(term, scope) for term in window.args.get("partition_by") or [])
    ordering = window.args.get("order")
    order = tuple(bind(term, scope) for term in ordering.expressions) if ordering is not None else ()
    frame = window.args.get("spec")
    frame = frame.copy() if frame is not None else None
    if isinstance(call, (exp.IgnoreNulls, exp.RespectNulls)) and not skips_nulls(call):
        raise refuse("MS010", window, "IGNORE NULLS or RESPECT NULLS", path)
    if order_of(call) is not None:
        raise refuse("MS052", window, f"{name} with ORDER BY inside and OVER", path)
    if isinstance(call, PEERS):
        return Over(partition, order, frame, False)
    rows = frame is not None and str(frame.args.get("kind")).upper() == "ROWS"
    sensitive = isinstance(call, (*POSITIONS, *VALUES)) or skips_nulls(call) or is_ordered(call) or rows
    if not sensitive:
        return Over(partition, order, frame, False)
    if not order:
        raise refuse("MS052", window, f"{name} without ORDER BY", path)
    group = [Attribute(key) for term in partition if (key := plain(term)) is not None]
    if is_total(plan, group, order):
        return Over(partition, order, frame, False)
    if rows or isinstance(call, POSITIONS):
        return Over(partition, order, frame, True)
    counted = counted_frame(call, frame)
    if counted is None:
        raise refuse("MS052", window, f"{name} over a RANGE frame in which rows may tie", path)
    return Over(partition, order, counted, True)


def counted_frame(call: exp.Expr, frame: exp.WindowSpec | None) -> exp.WindowSpec | None:
    """The ROWS frame that gives the same result in a total order, where peers at its far end do not matter.

    first_value from the start of the partition sees the same row however far the frame goes, and last_value to the end.
    """
    if frame is not None and frame.args.get("exclude"):
        return None
    start, end = (UNBOUNDED, CURRENT) if frame is None else bounds(frame)
    unbounded_start = start == UNBOUNDED
    unbounded_end = end == UNBOUNDED
    if unbounded_start and unbounded_end:
        return rows_frame(UNBOUNDED, UNBOUNDED)
    if isinstance(call, exp.FirstValue) and unbounded_start and end == CURRENT:
        return rows_frame(UNBOUNDED, CURRENT)
    if isinstance(call, exp.LastValue) and unbounded_end and start == CURRENT:
        return rows_frame(CURRENT, UNBOUNDED)
    return None


def bounds(frame: exp.WindowSpec) -> tuple[str, str]:
    """The start and end of a frame as words; '' for a distance."""

    def word(name: str) -> str:
        value = frame.args.get(name)
        return value.upper() if isinstance(value, str) and value.upper() in (UNBOUNDED, CURRENT) else ""

    return word("start"), word("end") if frame.args.get("end") else CURRENT


def rows_frame(start: str, end: str) -> exp.WindowSpec:
    """ROWS BETWEEN start AND end."""
    return exp.WindowSpec(
        kind="ROWS",
        start=start,
        start_side="PRECEDING" if start == UNBOUNDED else None,
        end=end,
        end_side="FOLLOWING" if end == UNBOUNDED else None,
    )


def with_partitions(
    overs: list[Over], plan: Plan, scope: Scope
) -> tuple[Plan, dict[str, tuple[Attribute, ...]]]:
    """Compute the expressions of PARTITION BY below the windows; return the columns of each list of them."""
    known = {attribute.name: attribute for attribute in plan.columns}
    computed: dict[str, tuple[Attribute, exp.Expr]] = {}
    found: dict[str, tuple[Attribute, ...]] = {}
    for over in overs:
        columns = []
        for term in over.partition:
            name = plain(term)
            if name in known:
                columns.append(known[name or ""])
            else:
                fresh = Attribute(scope.context.names.fresh("key"))
                columns.append(computed.setdefault(write(term), (fresh, term))[0])
        found[repr(over.partition)] = tuple(columns)
    if computed:
        plan = Project(plan, (*identity(plan), *computed.values()))
    return plan, found
