"""Bind WHERE: temporal filters, [NOT] EXISTS and [NOT] IN as joins, and plain predicates, conjunct by conjunct."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front import query, tables
from millstream.front.aggregates import has_aggregates
from millstream.front.scalar import bind
from millstream.front.scope import CommonTable, Scope
from millstream.front.unread import refuse_unread
from millstream.plan.expression import CLOCKS, column, conjunction, conjuncts, references
from millstream.plan.nodes import Filter, Join, Plan, TimeFilter, names

FLIPPED: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}


def bind_where(where: exp.Expr | None, plan: Plan, scope: Scope, ctes: Mapping[str, CommonTable]) -> Plan:
    """Put the conjuncts of WHERE (or HAVING) on top of a plan, the plain ones lowest."""
    if where is None:
        return plan
    ordinary: list[exp.Expr] = []
    temporal: list[exp.Expr] = []
    subqueries: list[tuple[exp.Expr, bool]] = []
    for term in conjuncts(where.this):
        inner, negated = term, False
        while isinstance(inner, (exp.Not, exp.Paren)):
            negated ^= isinstance(inner, exp.Not)
            inner = inner.this
        if isinstance(inner, exp.Exists) or (isinstance(inner, exp.In) and inner.args.get("query")):
            subqueries.append((inner, negated))
        elif term.find(*CLOCKS):
            temporal.append(term)
        elif has_aggregates(term):
            raise refuse("MS010", term, "aggregate in WHERE", scope.context.path)
        else:
            ordinary.append(bind(term, scope))
    predicate = conjunction(ordinary)
    if predicate is not None:
        plan = push_into_joins(plan, ordinary)
    for term in temporal:
        plan = bind_temporal(term, plan, scope)
    for node, negated in subqueries:
        plan = bind_subquery(node, negated, plan, scope, ctes)
    return plan


def push_into_joins(plan: Plan, terms: list[exp.Expr]) -> Plan:
    """Give an inner join written in FROM a, b the conditions of WHERE that connect its sides."""
    if isinstance(plan, Join) and plan.kind == "inner":
        left, right = names(plan.left), names(plan.right)
        connecting = [term for term in terms if references(term) & left and references(term) & right]
        rest = [term for term in terms if term not in connecting]
        if connecting and not plan.process_time:
            below = push_into_joins(plan.left, [t for t in rest if references(t) <= left])
            rest = [t for t in rest if not references(t) <= left]
            plan = Join(below, plan.right, "inner", conjunction([*conjuncts(plan.on), *connecting]))
            terms = rest
    predicate = conjunction(terms)
    return Filter(plan, predicate) if predicate is not None else plan


def bind_temporal(term: exp.Expr, plan: Plan, scope: Scope) -> TimeFilter:
    """Bind `value > now() - interval` in either order, with >, >=, < or <=."""
    path = scope.context.path
    while isinstance(term, exp.Paren):
        term = term.this
    if type(term) not in FLIPPED:
        raise refuse("MS014", term, "under OR, BETWEEN or a function", path)
    value, bound = term.this, term.expression
    comparison: type[exp.Binary] = type(term)  # type: ignore[assignment]
    if value.find(*CLOCKS):
        value, bound, comparison = bound, value, FLIPPED[comparison]
    if value.find(*CLOCKS) or any(bound.find_all(exp.Column)):
        raise refuse("MS014", term, "compared with itself or mixed with columns", path)
    if bound.find(exp.CurrentDate, exp.CurrentTime):
        raise refuse("MS014", term, "as current_date or current_time", path)
    return TimeFilter(plan, bind(value, scope), comparison, bind(bound, scope, clock=True))


def bind_subquery(
    node: exp.Expr, negated: bool, plan: Plan, scope: Scope, ctes: Mapping[str, CommonTable]
) -> Plan:
    """Bind [NOT] EXISTS and [NOT] IN as a semi or anti join.

    NOT IN differs from NOT EXISTS where NULLs meet it: a NULL on the right makes it never true.
    """
    path = scope.context.path
    context = scope.context
    select = node.args["query"].this if isinstance(node, exp.In) else node.this
    if isinstance(select, exp.Subquery):
        select = select.this
    if isinstance(node, exp.In) and isinstance(node.this, exp.Tuple):
        raise refuse("MS021", node, "IN with several columns", path)
    groups = not isinstance(select, exp.Select) or any(
        select.args.get(c) for c in ("group", "having", "limit")
    )
    if groups or any(has_aggregates(item) for item in select.expressions):
        if isinstance(node, exp.In) and not negated:
            right, outputs = query.bind_query(select, context, ctes, None)
            on = exp.EQ(this=bind(node.this, scope), expression=column(outputs[0][1]))
            return Join(plan, right, "semi", on)
        raise refuse("MS021", node, "EXISTS or IN that groups, unites or limits", path)
    refuse_unread(select, path)
    inner = Scope(context, outer=scope)
    inner_ctes = query.with_ctes(select, context, ctes)
    right = tables.bind_from(select, inner, inner_ctes)
    local: list[exp.Expr] = []
    linking: list[exp.Expr] = []
    available = names(right)
    where = select.args.get("where")
    for term in conjuncts(where.this if where is not None else None):
        if term.find(*CLOCKS):
            right = bind_temporal(term, right, inner)
            continue
        bound = bind(term, inner)
        (local if references(bound) <= available else linking).append(bound)
    predicate = conjunction(local)
    if predicate is not None:
        right = push_into_joins(right, local)
    if isinstance(node, exp.In):
        if negated:
            raise refuse("MS010", node, "NOT IN (SELECT …)", path)
        value = bind(select.expressions[0].unalias(), inner)
        linking.append(exp.EQ(this=bind(node.this, scope), expression=value))
    if not any(isinstance(term, exp.EQ) for term in linking):
        raise refuse("MS015", node, "", path)
    return Join(plan, right, "anti" if negated else "semi", conjunction(linking))
