"""Bind EXISTS, IN and scalar subqueries as joins, with SQL's treatment of NULL.

As a conjunct of WHERE, EXISTS and IN are semi and anti joins. Anywhere else they are a value: a left join with the
distinct rows of the subquery, and a CASE over what it found. A subquery that does not refer to the query around it is
one row, joined to every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front import correlate
from millstream.front.scalar import bind
from millstream.front.scope import CommonTable, Context, Scope
from millstream.front.subplan import Subplan, check_attached
from millstream.plan.expression import Attribute, column, conjunction, links, plain, references
from millstream.plan.nodes import Aggregate, Filter, Join, Plan, Project, identity, names
from millstream.plan.single import at_most_one

Ctes = Mapping[str, CommonTable]


def query_of(node: exp.Expr) -> exp.Expr:
    """The query inside EXISTS (…), IN (…) or brackets."""
    found: exp.Expr = node.args["query"] if isinstance(node, exp.In) else node.this
    return found


def no(value: exp.Expr) -> exp.Expr:
    """NOT value."""
    return exp.Not(this=exp.paren(value))


def is_null(value: exp.Expr) -> exp.Expr:
    """Value IS NULL."""
    return exp.Is(this=value.copy(), expression=exp.Null())


def not_null(value: exp.Expr) -> exp.Expr:
    """Value IS NOT NULL."""
    return exp.Not(this=is_null(value))


# ---- conjuncts of WHERE ---------------------------------------------------------------------------------------------


def bind_exists(node: exp.Exists, negated: bool, plan: Plan, scope: Scope, ctes: Ctes) -> Plan:
    """Keep the rows for which [NOT] EXISTS holds."""
    path = scope.context.path
    sub = correlate.bind_subplan(node.this, scope, ctes)
    if sub.sole or not sub.correlated:
        joined, found = attach_found(sub, plan, scope.context)
        scope.context.note_beside(joined.columns[len(plan.columns) :], node)
        return kept_rows(plan, joined, no(found) if negated else found)
    if not links(sub.condition, names(plan), names(sub.plan)):
        raise refuse("MS015", node, "", path)
    check_attached(plan, sub.plan, sub.terms, node, path)
    return Join(plan, sub.plan, "anti" if negated else "semi", sub.condition)


def bind_in(node: exp.In, negated: bool, plan: Plan, scope: Scope, ctes: Ctes) -> Plan:
    """Keep the rows for which [NOT] IN holds.

    A NULL on either side never matches. So it ends NOT IN as well: x NOT IN (S) is true where no s equals x, and
    either S has no rows, or neither x nor any s is NULL.
    """
    path = scope.context.path
    values = left_of(node, scope)
    sub = correlate.bind_subplan(query_of(node), scope, ctes)
    check_width(node, sub, len(values), path)
    if sub.sole:
        joined, value = attach_value(node, plan, scope, ctes)
        return kept_rows(plan, joined, no(value) if negated else value)
    matches = [
        exp.EQ(this=value, expression=other) for value, (_, other) in zip(values, sub.outputs, strict=True)
    ]
    terms = [*sub.terms, *matches]
    check_attached(plan, sub.plan, terms, node, path)
    if not negated:
        return Join(plan, sub.plan, "semi", conjunction(terms))
    kept = Join(plan, sub.plan, "anti", conjunction(terms))
    if not any(
        may_be_null(v, plan) or may_be_null(o, sub.plan)
        for v, (_, o) in zip(values, sub.outputs, strict=True)
    ):
        return kept
    if len(values) > 1:
        raise refuse("MS046", node, "", path)
    joined, some, has_null = attach_nulls(node, kept, scope, ctes)
    return kept_rows(plan, joined, exp.or_(no(some), exp.and_(not_null(values[0]), no(has_null))))


def kept_rows(plan: Plan, joined: Plan, condition: exp.Expr) -> Project:
    """Keep the rows of a plan for which a condition over what was joined to them holds, without what was joined."""
    return Project(Filter(joined, condition), identity(plan))


def left_of(node: exp.In, scope: Scope) -> list[exp.Expr]:
    """The expressions left of IN."""
    sides = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    return [bind(side, scope) for side in sides]


def check_width(node: exp.Expr, sub: Subplan, width: int, path: str | None) -> None:
    """Refuse a subquery with another number of columns than it is compared with."""
    if len(sub.outputs) != width:
        raise refuse("MS043", node, f"{len(sub.outputs)} columns where {width} is compared", path)


def may_be_null(expression: exp.Expr, plan: Plan) -> bool:
    """Tell whether an expression over a plan may be NULL."""
    name = plain(expression)
    if name is None:
        return not isinstance(expression, exp.Literal)
    return next((each.nullable for each in plan.columns if each.name == name), True)


# ---- values ---------------------------------------------------------------------------------------------------------


def attach_value(node: exp.Expr, plan: Plan, scope: Scope, ctes: Ctes) -> tuple[Plan, exp.Expr]:
    """Join a subquery to a plan; return the joined plan and its value as an expression over it."""
    if isinstance(node, exp.Exists):
        sub = correlate.bind_subplan(node.this, scope, ctes)
        if sub.loose:
            raise refuse("MS045", node, "", scope.context.path)
        check_attached(plan, sub.plan, sub.terms, node, scope.context.path)
        return attach_found(sub, plan, scope.context)
    if isinstance(node, exp.In):
        return attach_membership(node, plan, scope, ctes)
    return attach_scalar(node, plan, scope, ctes)


def attach_found(sub: Subplan, plan: Plan, context: Context) -> tuple[Plan, exp.Expr]:
    """Join whether a subquery has rows: one row in all, or one for each value of its links."""
    if sub.sole:
        return plan, exp.true()
    if not sub.correlated:
        count = Attribute(context.names.fresh("count"), "bigint", False)
        found = Attribute(context.names.fresh("found"), "boolean", False)
        counted = Aggregate(sub.plan, (), ((count, exp.Count(this=exp.Star(), big_int=True)),))
        some = exp.GT(this=column(count), expression=exp.Literal.number(0))
        return Join(plan, Project(counted, ((found, some),)), "inner", None, single=True), column(found)
    rows, on = distinct_links(sub, (), context)
    first = rows.keys[0]
    return Join(plan, rows, "left", on), not_null(column(first))


def distinct_links(
    sub: Subplan, values: tuple[tuple[Attribute, exp.Expr], ...], context: Context
) -> tuple[Aggregate, exp.Expr | None]:
    """The distinct links and values of a subquery, and the condition that joins them by the links."""
    linked = tuple(
        (Attribute(context.names.fresh("link"), a.type, a.nullable), column(a)) for a, _ in sub.links
    )
    rows = Project(sub.plan, (*linked, *values))
    on = conjunction(
        exp.EQ(this=column(attribute), expression=outer)
        for (attribute, _), (_, outer) in zip(linked, sub.links, strict=True)
    )
    return Aggregate(rows, rows.columns, ()), on


def attach_membership(node: exp.In, plan: Plan, scope: Scope, ctes: Ctes) -> tuple[Plan, exp.Expr]:
    """Join what decides x IN (S): true where an s equals x, else NULL where x or some s is NULL, else false."""
    context = scope.context
    values = left_of(node, scope)
    if len(values) > 1:
        raise refuse("MS046", node, "", context.path)
    (value,) = values
    sub = correlate.bind_subplan(query_of(node), scope, ctes)
    check_width(node, sub, 1, context.path)
    if sub.sole:
        return attach_compared(node, value, plan, scope, ctes)
    if sub.loose:
        raise refuse("MS045", node, "", context.path)
    check_inner(sub, node, context.path)
    other = sub.outputs[0][1]
    nullable = may_be_null(value, plan) or may_be_null(other, sub.plan)
    member = Attribute(context.names.fresh("member"), None, may_be_null(other, sub.plan))
    rows, linked = distinct_links(sub, ((member, other),), context)
    matches = exp.EQ(this=value.copy(), expression=column(member))
    on = conjunction([*([linked] if linked is not None else []), matches])
    check_attached(plan, rows, [on] if on is not None else [], node, context.path)
    plan = Join(plan, rows, "left", on)
    hit = not_null(column(member))
    if not nullable:
        return plan, hit
    plan, some, has_null = attach_nulls(node, plan, scope, ctes)
    unknown = exp.and_(some, exp.paren(exp.or_(is_null(value), has_null)))
    return plan, exp.Case().when(hit, exp.true()).when(unknown, exp.Null()).else_(exp.false())


def attach_compared(
    node: exp.In, value: exp.Expr, plan: Plan, scope: Scope, ctes: Ctes
) -> tuple[Plan, exp.Expr]:
    """x IN (SELECT count(*) …): the subquery has one row, so IN is an equality."""
    plan, other = attach_scalar(query_of(node), plan, scope, ctes)
    return plan, exp.paren(exp.EQ(this=value, expression=other))


def attach_nulls(node: exp.In, plan: Plan, scope: Scope, ctes: Ctes) -> tuple[Plan, exp.Expr, exp.Expr]:
    """Join what IN must know beyond the matches: whether the subquery has rows at all, and whether one is NULL."""
    context = scope.context
    sub = correlate.bind_subplan(query_of(node), scope, ctes)
    if sub.loose:
        raise refuse("MS045", node, "", context.path)
    check_inner(sub, node, context.path)
    member = Attribute(context.names.fresh("member"))
    linked = tuple(
        (Attribute(context.names.fresh("link"), a.type, a.nullable), column(a)) for a, _ in sub.links
    )
    rows = Project(sub.plan, (*linked, (member, sub.outputs[0][1])))
    keys = tuple(attribute for attribute, _ in linked)
    every = Attribute(context.names.fresh("count"), "bigint", False)
    known = Attribute(context.names.fresh("count"), "bigint", False)
    counted = Aggregate(
        rows,
        keys,
        (
            (every, exp.Count(this=exp.Star(), big_int=True)),
            (known, exp.Count(this=column(member), big_int=True)),
        ),
    )
    has_null = Attribute(context.names.fresh("has_null"), "boolean", False)
    differs = exp.NEQ(this=column(every), expression=column(known))
    if not keys:
        some = Attribute(context.names.fresh("found"), "boolean", False)
        more = exp.GT(this=column(every), expression=exp.Literal.number(0))
        flags = Project(counted, ((some, more), (has_null, differs)))
        return Join(plan, flags, "inner", None, single=True), column(some), column(has_null)
    by_key = Project(counted, (*((key, column(key)) for key in keys), (has_null, differs)))
    renamed, on = renamed_links(by_key, sub, context)
    return Join(plan, renamed, "left", on), not_null(column(has_null)), column(has_null)


def renamed_links(rows: Project, sub: Subplan, context: Context) -> tuple[Project, exp.Expr | None]:
    """Give the links names of their own above an aggregation, and join by them."""
    items = []
    terms = []
    for position, (_, outer) in enumerate(sub.links):
        key = rows.items[position][0]
        fresh = replace(key, name=context.names.fresh("link"))
        items.append((fresh, column(key)))
        terms.append(exp.EQ(this=column(fresh), expression=outer))
    return Project(rows.input, (*items, *rows.items[len(sub.links) :])), conjunction(terms)


def check_inner(sub: Subplan, node: exp.Expr, path: str | None) -> None:
    """Refuse a subquery whose value reads the query around it."""
    if references(sub.outputs[0][1]) - names(sub.plan):
        raise refuse("MS041", node, "in its SELECT list", path)


def attach_scalar(node: exp.Expr, plan: Plan, scope: Scope, ctes: Ctes) -> tuple[Plan, exp.Expr]:
    """Join a subquery that stands for one value; NULL where it has no row."""
    context = scope.context
    sub = correlate.bind_subplan(node, scope, ctes)
    check_width(node, sub, 1, context.path)
    value = sub.outputs[0][1]
    check_attached(plan, sub.plan, [*sub.terms, value], node, context.path)
    if sub.sole:
        return Join(plan, sub.plan, "left", sub.condition), value
    if not at_most_one(sub.plan, sub.pinned):
        raise refuse("MS044", node, "", context.path)
    check_inner(sub, node, context.path)
    name = plain(value)
    right = sub.plan
    if not sub.correlated:
        attribute = Attribute(context.names.fresh("value"), None, True)
        right = Project(right, ((attribute, value),))
        kind = "inner" if exactly_one(right) else "left"
        return Join(plan, right, kind, None, single=True), column(attribute)
    if name is None:
        attribute = Attribute(context.names.fresh("value"))
        right = Project(right, (*identity(right), (attribute, value)))
        value = column(attribute)
    return Join(plan, right, "left", sub.condition), value


def exactly_one(plan: Plan) -> bool:
    """Tell whether a plan has exactly one row: an aggregation of everything, with projections above it."""
    while isinstance(plan, Project):
        plan = plan.input
    return isinstance(plan, Aggregate) and not plan.keys
