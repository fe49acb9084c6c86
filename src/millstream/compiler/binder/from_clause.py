"""Bind FROM: its items and joins, left to right, into one plan."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import ONE_ROW, Plan
from millstream.compiler.binder import joins
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.lateral import bind_lateral
from millstream.compiler.binder.scope import Added, Scope
from millstream.compiler.binder.table_functions import bind_in_from
from millstream.compiler.binder.tables import aliased, bind_table, bind_values
from millstream.compiler.binder.time_windows import bind_time_window
from millstream.compiler.dialect import write
from millstream.compiler.syntax.from_items import Name, item_name, window_function
from millstream.compiler.syntax.parse import is_process_time
from millstream.compiler.syntax.set_calls import function_in_from
from millstream.compiler.syntax.unread import refuse_unread
from millstream.diagnostics import refuse


def bind_from(binder: Binder, select: exp.Select, scope: Scope) -> Plan:
    """Bind FROM and its joins, left to right, into one plan; `scope` gains the aliases."""
    source = select.args.get("from_")
    first = source.this if source is not None else None
    if isinstance(first, exp.Table) and is_process_time(first):
        raise refuse("MS016", first, "the left side", scope.context.path)
    plan: Plan = ONE_ROW  # which a SELECT without FROM reads
    if first is not None and function_in_from(first) is not None:
        plan = bind_in_from(first, plan, scope)
    elif isinstance(first, exp.Lateral):
        plan = bind_lateral(binder, exp.Join(this=first), plan, scope)
    elif first is not None:
        plan, added = bind_item(binder, first, scope.around)
        for name, columns in added:
            scope.add(name, columns, first)
    for join in select.args.get("joins") or []:
        plan = bind_join(binder, join, plan, scope)
    return plan


def bind_join(binder: Binder, join: exp.Join, left: Plan, scope: Scope) -> Plan:
    """Bind one join on top of what stands left of it; `scope` gains the aliases of its right side."""
    path = scope.context.path
    item = join.this
    joins.check_form(join, path)
    if function_in_from(item) is not None:
        return joins.bind_function_join(join, left, scope)
    if isinstance(item, exp.Lateral):
        return bind_lateral(binder, join, left, scope)
    joins.check_version(join, path)
    right, added = bind_item(binder, item, scope.around)
    return joins.join_sides(join, left, right, added, scope)


def bind_item(binder: Binder, item: exp.Expr, around: Scope) -> tuple[Plan, Added]:
    """Bind one item of FROM that does not depend on its neighbours; return the columns of each alias it adds."""
    context = around.context
    path = context.path
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table):
        return bind_bracketed(binder, item, around)
    if isinstance(item, (exp.Table, exp.Subquery, exp.Values)):
        refuse_unread(item, path)
    if isinstance(item, exp.Table) and (call := window_function(item)) is not None:
        plan, columns, name = bind_time_window(binder, call, around)
        return plan, [(Name(item.alias) if item.alias else name, aliased(columns, item, path))]
    if isinstance(item, exp.Table):
        if isinstance(item.this, exp.Func):
            raise refuse("MS010", item, f"table function {write(item.this)}", path)
        plan, columns = bind_table(binder, item, around)
    elif isinstance(item, exp.Subquery):
        plan, columns = binder.query(item.this, around)
    elif isinstance(item, exp.Values):
        plan, columns = bind_values(item, around)
    else:
        raise refuse("MS010", item, f"{item.key} in FROM", path)
    for _, attribute in columns:
        context.places.setdefault(attribute.name, (item, path))
    return plan, [(item_name(item, around.ctes_in_sight()), aliased(columns, item, path))]


def bind_bracketed(binder: Binder, item: exp.Subquery, around: Scope) -> tuple[Plan, Added]:
    """Bind `(a JOIN b ON …)` in FROM, which is joined as a whole and shows the aliases inside."""
    path = around.context.path
    if item.args.get("alias") is not None:
        raise refuse("MS010", item, "an alias for joins in brackets", path)
    inner = Scope(around.context, outer=around)
    first = item.this.copy()
    found = first.args.get("joins") or []
    if not found:
        raise refuse("MS001", item, "brackets around one relation", path)
    first.set("joins", None)
    plan, added = bind_item(binder, first, around)
    for name, columns in added:
        inner.add(name, columns, first)
    for join in found:
        plan = bind_join(binder, join, plan, inner)
    if inner.merged:
        raise refuse("MS010", item, "USING inside brackets", path)
    return plan, [(name, list(columns.items())) for name, columns in inner.tables.items()]
