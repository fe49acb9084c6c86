"""Bind FROM: relations, views, CTEs, subqueries, joins and unnest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front import query
from millstream.front.parse import is_process_time, parse
from millstream.front.scalar import bind
from millstream.front.scope import CommonTable, Context, Scope, ViewText
from millstream.front.unread import refuse_unread
from millstream.plan.expression import Attribute, conjuncts, references
from millstream.plan.nodes import Join, Plan, Relation, Scan, Unnest, names

Columns = dict[str, Attribute]


def scan(relation: Relation, context: Context) -> Scan:
    """Read a stored relation through attributes of their own."""
    attributes = tuple(
        Attribute(context.names.fresh(name), type_, nullable) for name, type_, nullable in relation.columns
    )
    stored = tuple(name for name, _, _ in relation.columns)
    return Scan(relation, attributes, int(context.names.fresh("scan").rsplit("_", 1)[1]), stored)


def bind_table(table: exp.Table, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Columns]:
    """Bind a name in FROM: a CTE, a stored relation or a plain view."""
    context = scope.context
    if not table.db and table.name in ctes:
        cte = ctes[table.name]
        plan, outputs = query.bind_query(cte.query, context, cte.ctes, None)
        labels = cte.columns or tuple(name for name, _ in outputs)
        return plan, dict(zip(labels, (attribute for _, attribute in outputs), strict=True))
    found = context.catalog.relation(table.db or None, table.name)
    if found is None:
        raise refuse("MS002", table, table.name, context.path)
    context.read[table.name] = None
    if isinstance(found, ViewText):
        inner = replace(context, path=found.path)
        plan, outputs = query.bind_query(parse(found.sql, found.path), inner, {}, None)
        return plan, dict(outputs)
    leaf = scan(found, context)
    visible = {name: attribute for name, attribute in zip(leaf.names, leaf.columns, strict=True)}
    return leaf, visible


def bind_item(item: exp.Expr, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Columns, str]:
    """Bind one relation of FROM that does not depend on its neighbours."""
    path = scope.context.path
    if isinstance(item, (exp.Table, exp.Subquery)):
        refuse_unread(item, path)
    if isinstance(item, exp.Table):
        if isinstance(item.this, exp.Func):
            raise refuse("MS010", item, f"table function {item.this.sql('postgres')}", path)
        plan, columns = bind_table(item, scope, ctes)
    elif isinstance(item, exp.Subquery):
        plan, outputs = query.bind_query(item.this, scope.context, ctes, None)
        columns = dict(outputs)
    else:
        raise refuse("MS010", item, f"{item.key} in FROM", path)
    alias = item.args.get("alias")
    if alias is not None and alias.columns:
        labels = [identifier.name for identifier in alias.columns]
        kept = list(columns.items())
        columns = {
            (labels[position] if position < len(labels) else name): attribute
            for position, (name, attribute) in enumerate(kept)
        }
    return plan, columns, item.alias_or_name


def bind_unnest(item: exp.Unnest, plan: Plan, scope: Scope, outer_alias: exp.TableAlias | None) -> Plan:
    """Bind `CROSS JOIN [LATERAL] unnest(array, …) [WITH ORDINALITY] AS alias(column, …)`."""
    context = scope.context
    refuse_unread(item, context.path)
    alias = item.args.get("alias") or outer_alias
    labels = [identifier.name for identifier in alias.columns] if alias is not None else []
    offset = item.args.get("offset")
    if len(labels) != len(item.expressions):
        raise refuse("MS010", item, "unnest without a name for every column", context.path)
    arrays = tuple(bind(array, scope) for array in item.expressions)
    elements = tuple(Attribute(context.names.fresh(label)) for label in labels)
    columns = dict(zip(labels, elements, strict=True))
    ordinality = None
    if offset:
        label = offset.name if isinstance(offset, exp.Identifier) else "ordinality"
        ordinality = Attribute(context.names.fresh(label), "bigint", False)
        columns[label] = ordinality
    scope.add(alias.name if alias is not None and alias.name else context.names.fresh("unnest"), columns)
    return Unnest(plan, arrays, elements, ordinality)


def bind_from(select: exp.Select, scope: Scope, ctes: Mapping[str, CommonTable]) -> Plan:
    """Bind FROM and its joins, left to right, into one plan; `scope` gains the aliases."""
    context = scope.context
    source = select.args.get("from_")
    if source is None:
        raise refuse("MS010", select, "SELECT without FROM", context.path)
    first = source.this
    if isinstance(first, exp.Unnest):
        raise refuse("MS010", first, "unnest of a constant array", context.path)
    if isinstance(first, exp.Table) and is_process_time(first):
        raise refuse("MS016", first, "the left side", context.path)
    plan, columns, alias = bind_item(first, scope, ctes)
    scope.add(alias, columns)
    for join in select.args.get("joins") or []:
        plan = bind_join(join, plan, scope, ctes)
    return plan


def bind_join(join: exp.Join, left: Plan, scope: Scope, ctes: Mapping[str, CommonTable]) -> Plan:
    """Bind one join; the kind, the condition and the process-time mark decide the operator."""
    path = scope.context.path
    item = join.this
    refuse_unread(join, path)
    outer_alias = None
    if isinstance(item, exp.Lateral) and isinstance(item.this, exp.Unnest):
        outer_alias = item.args.get("alias")
        item = item.this
    side, kind, method = join.side.upper(), join.kind.upper(), join.method.upper()
    if isinstance(item, exp.Unnest):
        if side or join.args.get("on") is not None:
            raise refuse("MS010", item, "outer join with unnest", path)
        return bind_unnest(item, left, scope, outer_alias)
    if method or side in ("RIGHT", "FULL") or kind in ("SEMI", "ANTI"):
        raise refuse("MS010", join, " ".join(word for word in (method, side, kind, "JOIN") if word), path)
    process_time = isinstance(item, exp.Table) and is_process_time(item)
    if isinstance(item, exp.Table) and item.args.get("version") is not None and not process_time:
        raise refuse("MS010", item, "FOR SYSTEM_TIME AS OF a moment", path)
    right, columns, alias = bind_item(item, scope, ctes)
    if process_time and not isinstance(right, Scan):
        raise refuse("MS016", item, item.alias_or_name, path)
    using = [identifier.name for identifier in join.args.get("using") or []]
    if using:
        raise refuse("MS010", join, "JOIN … USING", path)
    scope.add(alias, columns)
    on = join.args.get("on")
    condition = bind(on, scope) if on is not None else None
    joined = Join(left, right, "left" if side == "LEFT" else "inner", condition, process_time)
    check_condition(joined, join, path, process_time, item)
    return joined


def check_condition(
    joined: Join, node: exp.Expr, path: str | None, process_time: bool, item: exp.Expr
) -> None:
    """Refuse a join that no key connects; a cross join with a one-row relation is for WHERE to connect."""
    from millstream.plan.expression import equalities

    pairs = equalities(joined.on, names(joined.left), names(joined.right))
    if process_time and not pairs:
        raise refuse("MS016", item, item.alias_or_name, path)
    if joined.kind == "left" and not pairs:
        raise refuse("MS015", node, "", path)
    for term in conjuncts(joined.on):
        unknown = references(term) - names(joined.left) - names(joined.right)
        if unknown:
            raise refuse("MS010", node, "correlated join condition", path)
