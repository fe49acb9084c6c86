"""Bind subqueries: their own plan, and the conditions that tie it to the query around them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.errors import Refused
from millstream.front import lifting, query, tables, where
from millstream.front.aggregates import has_aggregates, is_aggregate
from millstream.front.scalar import bind
from millstream.front.scope import CommonTable, Scope
from millstream.front.subplan import Subplan, check_inside
from millstream.front.unread import refuse_unread
from millstream.plan.expression import Attribute, column, plain, references, substitute
from millstream.plan.nodes import Aggregate, Filter, Plan, Project, identity, names

OUTER = "millstream_outer"
# Aggregates of no rows are NULL, except these.
ZERO = (exp.Count, exp.CountIf, exp.ApproxDistinct)


def bind_subplan(
    node: exp.Expr, scope: Scope, ctes: Mapping[str, CommonTable], *, named: bool = False
) -> Subplan:
    """Bind a subquery that may refer to columns of `scope`; unless `named`, its columns need no names."""
    context = scope.context
    while isinstance(node, exp.Subquery):
        ctes = query.with_ctes(node, context, ctes)
        node = node.this
    ctes = query.with_ctes(node, context, ctes)
    if not isinstance(node, exp.Select):
        return independent(node, scope, ctes)
    select = node if named else with_names(node)
    refuse_unread(select, context.path)
    inner = Scope(context, outer=scope)
    plan = tables.bind_from(select, inner, ctes)
    plan, terms = where.split_where(select.args.get("where"), plan, inner, ctes, select)
    plan, links, terms = find_links(plan, terms, scope)
    if is_plain(select):
        if select.args.get("order"):
            raise refuse("MS012", select.args["order"], "", context.path)
        items = [(query.name_of(item, context), item.unalias()) for item in select.expressions]
        plan, items = lifting.lift_items(items, plan, inner, ctes)
        outputs = [(name, bind(item, inner)) for name, item in items]
        return Subplan(plan, outputs, links, terms)
    if len(links) < len(terms):
        raise refuse("MS042", select, "", context.path)
    plan, links = without_null_links(plan, links)
    keys = tuple(attribute for attribute, _ in links)
    if keys and is_sole(select):
        return bind_sole(select, plan, inner, ctes, links, terms)
    plan, columns = query.bind_block(select, plan, inner, ctes, keys)
    check_inside(plan, select, inner)
    shown, passed = columns[: len(columns) - len(keys)], columns[len(columns) - len(keys) :]
    links = [(attribute, outer) for (_, attribute), (_, outer) in zip(passed, links, strict=True)]
    terms = [equal(attribute, outer) for attribute, outer in links]
    return Subplan(plan, [(name, column(attribute)) for name, attribute in shown], links, terms)


def equal(attribute: Attribute, outer: exp.Expr) -> exp.Expr:
    """A link as a condition."""
    return exp.EQ(this=column(attribute), expression=outer.copy())


def independent(node: exp.Expr, scope: Scope, ctes: Mapping[str, CommonTable]) -> Subplan:
    """Bind a set operation, which cannot refer to the query around it."""
    try:
        plan, outputs = query.bind_query(node, scope.context, ctes, None)
    except Refused as error:
        if error.diagnostic.code == "MS003" and any(resolves(c, scope) for c in node.find_all(exp.Column)):
            raise refuse("MS041", node, "inside a set operation", scope.context.path) from error
        raise
    return Subplan(plan, [(name, column(attribute)) for name, attribute in outputs], [], [])


def resolves(node: exp.Column, scope: Scope) -> bool:
    """Tell whether a column reference has a meaning in a scope."""
    try:
        scope.resolve(node)
    except Refused:
        return False
    return True


def with_names(select: exp.Select) -> exp.Select:
    """Return a SELECT whose columns have names, which nobody gives in an expression, and without a useless LIMIT."""
    changed = select.copy()
    limit = changed.args.get("limit")
    number = limit.expression if isinstance(limit, exp.Limit) else None
    some = isinstance(number, exp.Literal) and number.is_int and int(number.name) > 0
    if isinstance(select.parent, exp.Exists) and some and not changed.args.get("offset"):
        changed.set("limit", None)  # EXISTS asks for one row only
        changed.set("order", None)
    named = []
    for position, item in enumerate(changed.expressions, 1):
        whole = isinstance(item, exp.Star) or (
            isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        )
        if whole and isinstance(select.parent, exp.Exists):
            item = exp.Literal.number(1)  # noqa: PLW2901 - EXISTS looks at no column
        elif whole:
            named.append(item)
            continue
        named.append(
            item if isinstance(item, (exp.Alias, exp.Column)) else exp.alias_(item, f"value{position}")
        )
    changed.set("expressions", named)
    return changed


def is_plain(select: exp.Select) -> bool:
    """Tell whether a subquery only filters and computes, so that it can be joined as it is."""
    if any(select.args.get(clause) for clause in ("group", "having", "distinct", "limit", "offset")):
        return False
    return not any(
        has_aggregates(item) or any(isinstance(node, exp.Window) for node in item.walk(prune=is_query))
        for item in select.expressions
    )


def is_query(node: exp.Expr) -> bool:
    """Tell whether a node is a query of its own."""
    return isinstance(node, exp.Query)


def is_sole(select: exp.Select) -> bool:
    """Tell whether a SELECT aggregates without GROUP BY."""
    return not select.args.get("group") and (
        bool(select.args.get("having")) or any(has_aggregates(item) for item in select.expressions)
    )


def find_links(
    plan: Plan, terms: list[exp.Expr], scope: Scope
) -> tuple[Plan, list[tuple[Attribute, exp.Expr]], list[exp.Expr]]:
    """Find the equalities that tie a subquery's plan to the query around it; computed sides become columns."""
    inside = names(plan)
    known = {attribute.name: attribute for attribute in plan.columns}
    computed: list[tuple[Attribute, exp.Expr]] = []
    links: list[tuple[Attribute, exp.Expr]] = []
    found: list[exp.Expr] = []
    for term in terms:
        for own, other in ((term.this, term.expression), (term.expression, term.this)):
            if not isinstance(term, exp.EQ) or not references(own) or not references(own) <= inside:
                continue
            if references(other) & inside:
                continue
            name = plain(own)
            attribute = known[name] if name is not None else Attribute(scope.context.names.fresh("link"))
            if name is None:
                computed.append((attribute, own))
                term = exp.EQ(this=column(attribute), expression=other)  # noqa: PLW2901
            links.append((attribute, other))
            break
        found.append(term)
    if computed:
        plan = Project(plan, (*identity(plan), *computed))
    return plan, links, found


def without_null_links(
    plan: Plan, links: list[tuple[Attribute, exp.Expr]]
) -> tuple[Plan, list[tuple[Attribute, exp.Expr]]]:
    """Leave out rows whose link is NULL before they are grouped: they meet nothing."""
    tests = [exp.Not(this=exp.Is(this=column(a), expression=exp.Null())) for a, _ in links if a.nullable]
    if tests:
        plan = Filter(plan, exp.and_(*tests, copy=False))
    known = {attribute.name: attribute for attribute in plan.columns}
    return plan, [(known[attribute.name], outer) for attribute, outer in links]


def bind_sole(
    select: exp.Select,
    plan: Plan,
    inner: Scope,
    ctes: Mapping[str, CommonTable],
    links: list[tuple[Attribute, exp.Expr]],
    terms: list[exp.Expr],
) -> Subplan:
    """Bind an aggregation without GROUP BY as one group for each value of the links.

    Its outputs are computed after the join, where a row that meets no group sees NULL, or 0 for a count.
    """
    path = inner.context.path
    for clause in ("having", "distinct", "limit", "offset"):
        if select.args.get(clause):
            raise refuse("MS042", select, "", path)
    outside: list[Attribute] = []
    items = [
        (query.name_of(item, inner.context), without_outer(item.unalias(), inner, outside))
        for item in select.expressions
    ]
    keys = tuple(attribute for attribute, _ in links)
    plan, grouped, items = lifting.bind_grouped(select, items, plan, inner, ctes, keys)
    counts = {
        attribute.name: exp.Coalesce(this=column(attribute), expressions=[exp.Literal.number(0)])
        for attribute, call in (plan.items if isinstance(plan, Aggregate) else ())
        if isinstance(call.this if isinstance(call, exp.Filter) else call, ZERO)
    }
    outputs = []
    for name, item in items:
        if any(isinstance(node, exp.Window) for node in item.walk(prune=is_query)):
            raise refuse("MS042", select, "", path)
        value = substitute(bind(item, grouped), counts)
        outputs.append((name, with_outer(value, outside)))
    return Subplan(plan, outputs, links, terms, sole=True)


def without_outer(expression: exp.Expr, inner: Scope, outside: list[Attribute]) -> exp.Expr:
    """Replace columns of the query around it by stand-ins, which an aggregation leaves as they are."""
    own = Scope(inner.context, inner.tables, None, inner.merged, inner.made)
    root = exp.Paren(this=expression.copy())
    for node in list(root.walk(prune=lambda n: is_query(n) or is_aggregate(n))):
        if isinstance(node, exp.Column) and not resolves(node, own) and resolves(node, inner):
            number = exp.Literal.number(len(outside))
            outside.append(inner.resolve(node))
            node.replace(exp.Anonymous(this=OUTER, expressions=[number]))
    changed: exp.Expr = root.this
    return changed


def with_outer(expression: exp.Expr, outside: list[Attribute]) -> exp.Expr:
    """Put the columns of the query around it back, bound."""
    root = exp.Paren(this=expression)
    for node in list(root.find_all(exp.Anonymous)):
        if node.name == OUTER:
            node.replace(column(outside[int(node.expressions[0].name)]))
    changed: exp.Expr = root.this
    return changed
