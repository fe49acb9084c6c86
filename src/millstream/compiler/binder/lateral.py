"""Bind LATERAL subqueries: joined by what ties them to the rows left of them, or computed row by row."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, conjunction, conjuncts, plain
from millstream.compiler.algebra.operators import Filter, Join, Lateral, Plan, Project, identity, scans
from millstream.compiler.algebra.single import at_most_one
from millstream.compiler.binder import tables
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.correlate import bind_subplan
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scalar_subqueries import for_left_join
from millstream.compiler.binder.scope import Scope
from millstream.compiler.binder.subplan import Subplan
from millstream.compiler.dialect import write
from millstream.compiler.syntax.from_items import Name
from millstream.diagnostics import refuse

Outputs = list[tuple[str, exp.Expr]]


def bind_lateral(binder: Binder, join: exp.Join, left: Plan, scope: Scope) -> Plan:
    """Bind `CROSS JOIN LATERAL (SELECT …)`, and JOIN or LEFT JOIN of one ON a condition."""
    path = scope.context.path
    item, outer = join.this, join.side.upper() == "LEFT"
    if not isinstance(item.this, exp.Subquery):
        raise refuse("MS010", item, f"LATERAL {write(item.this)}", path)
    if join.side.upper() not in ("", "LEFT") or join.method or join.args.get("using"):
        raise refuse("MS049", join, "that is not CROSS, INNER or LEFT", path)
    alias = item.args.get("alias")
    labels = [identifier.name for identifier in alias.columns] if alias is not None else []
    sub = bind_subplan(binder, item.this, left, scope, named=True)
    outputs = tables.relabelled(sub.outputs, labels, item.alias, alias, path)
    condition = join.args.get("on")
    always = condition is None or (isinstance(condition, exp.Boolean) and condition.this)
    if outer and (sub.sole or sub.each) and not always:
        raise refuse("MS049", join, "of one aggregated row, LEFT on a condition", path)
    plan, outputs = joined(sub, outputs, left, join, outer, scope)
    plan, outputs = with_columns(plan, outputs, scope)
    known = {attribute.name: attribute for attribute in plan.columns}
    scope.add(Name(item.alias), [(name, known[plain(value) or ""]) for name, value in outputs], item)
    if condition is None or always:
        return plan
    on = bind(condition, scope)
    if isinstance(plan, Join) and outer:
        return Join(
            plan.left, plan.right, plan.kind, conjunction([*conjuncts(plan.on), on]), single=plan.single
        )
    return Filter(plan, on)


def joined(
    sub: Subplan, outputs: Outputs, left: Plan, node: exp.Expr, outer: bool, scope: Scope
) -> tuple[Plan, Outputs]:
    """Join a subquery to the rows left of it; a row outside that meets none of its rows has NULLs, if it stays."""
    path = scope.context.path
    if sub.each:
        return Lateral(left, sub.plan, outer), outputs
    if sub.sole:
        return Join(left, sub.plan, "left", sub.condition), outputs
    single = not sub.correlated and at_most_one(sub.plan)
    if not sub.ties and not single and (scans(sub.plan) or sub.terms):
        raise refuse("MS015", node, "", path)
    if not outer:
        return Join(left, sub.plan, "inner", sub.condition, single=single), outputs
    right, outputs = for_left_join(sub, outputs, scope.context)
    return Join(left, right, "left", sub.condition, single=single), outputs


def with_columns(plan: Plan, outputs: Outputs, scope: Scope) -> tuple[Plan, Outputs]:
    """Compute expressions as columns of a plan; return them as these columns."""
    computed: list[tuple[Attribute, exp.Expr]] = []
    changed: Outputs = []
    for name, value in outputs:
        if plain(value) is None:
            attribute = Attribute(scope.context.names.fresh(name))
            computed.append((attribute, value))
            changed.append((name, column(attribute)))
        else:
            changed.append((name, value))
    return (Project(plan, (*identity(plan), *computed)) if computed else plan), changed
