"""Bind LATERAL subqueries: joined by the equalities in their WHERE, ranked and aggregated for each of their values."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front import correlate, tables
from millstream.front.scalar import bind
from millstream.front.scope import Columns, CommonTable, Name, Scope
from millstream.front.subplan import Subplan, check_attached
from millstream.plan.expression import Attribute, column, conjunction, conjuncts, plain, references
from millstream.plan.nodes import Filter, Join, Plan, Project, identity, names
from millstream.plan.single import at_most_one


def bind_lateral(join: exp.Join, left: Plan, scope: Scope, ctes: Mapping[str, CommonTable]) -> Plan:
    """Bind `CROSS JOIN LATERAL (SELECT …)`, and JOIN or LEFT JOIN of one ON a condition."""
    path = scope.context.path
    item, side = join.this, join.side.upper()
    if not isinstance(item.this, exp.Subquery):
        raise refuse("MS010", item, f"LATERAL {item.this.sql('postgres')}", path)
    if side not in ("", "LEFT") or join.method or join.args.get("using"):
        raise refuse("MS049", join, "that is not CROSS, INNER or LEFT", path)
    sub = correlate.bind_subplan(item.this, scope, ctes, named=True)
    alias = item.args.get("alias")
    labels = [identifier.name for identifier in alias.columns] if alias is not None else []
    outputs = tables.relabelled(sub.outputs, labels, item.alias, alias, path)
    check_attached(left, sub.plan, [*sub.terms, *(value for _, value in outputs)], join, path)
    condition = join.args.get("on")
    always = condition is None or (isinstance(condition, exp.Boolean) and condition.this)
    if side and sub.sole and not always:
        raise refuse("MS049", join, "of one aggregated row, LEFT on a condition", path)
    plan, columns = joined(sub, outputs, left, scope, join, bool(side))
    scope.add(Name(item.alias), columns, item)
    if condition is None or always:
        return plan
    on = bind(condition, scope)
    if isinstance(plan, Join) and side:
        return Join(
            plan.left, plan.right, plan.kind, conjunction([*conjuncts(plan.on), on]), single=plan.single
        )
    return Filter(plan, on)


def joined(
    sub: Subplan, outputs: list[tuple[str, exp.Expr]], left: Plan, scope: Scope, node: exp.Expr, outer: bool
) -> tuple[Plan, Columns]:
    """Join a subquery; return the plan and its columns by name, computed below the join where that joins NULLs."""
    path = scope.context.path
    if not sub.correlated and not sub.sole:
        single = at_most_one(sub.plan)
        if not single:
            raise refuse("MS015", node, "", path)
    if not sub.links and sub.terms:
        raise refuse("MS015", node, "", path)
    right = sub.plan
    if outer and not sub.sole:
        if any(references(value) - names(right) for _, value in outputs):
            raise refuse("MS041", node, "in the SELECT list of an outer join", path)
        right, outputs = with_columns(right, outputs, scope)
    kind = "left" if outer or sub.sole else "inner"
    plan: Plan = Join(left, right, kind, sub.condition, single=not sub.correlated)
    if not outer or sub.sole:
        plan, outputs = with_columns(plan, outputs, scope)
    known = {attribute.name: attribute for attribute in plan.columns}
    return plan, [(name, known[plain(value) or ""]) for name, value in outputs]


def with_columns(
    plan: Plan, outputs: list[tuple[str, exp.Expr]], scope: Scope
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """Compute expressions as columns of a plan; return them as these columns."""
    computed: list[tuple[Attribute, exp.Expr]] = []
    changed: list[tuple[str, exp.Expr]] = []
    for name, value in outputs:
        if plain(value) is None:
            attribute = Attribute(scope.context.names.fresh(name))
            computed.append((attribute, value))
            changed.append((name, column(attribute)))
        else:
            changed.append((name, value))
    return (Project(plan, (*identity(plan), *computed)) if computed else plan), changed
