"""Bind WHERE: temporal filters, [NOT] EXISTS and [NOT] IN as joins, and plain predicates, conjunct by conjunct."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.conditions import terms_of
from millstream.compiler.algebra.expression import CLOCKS, references, substitute
from millstream.compiler.algebra.free import free
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, names
from millstream.compiler.algebra.single import compare_with_row
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.connect import connect, filter_by
from millstream.compiler.binder.exists import bind_exists
from millstream.compiler.binder.lifting import has_query, lift, quantified
from millstream.compiler.binder.membership import bind_in
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Scope
from millstream.compiler.binder.temporal import as_bounds, bind_temporal
from millstream.compiler.syntax.aggregate_calls import has_aggregates
from millstream.diagnostics import refuse


def bind_where(binder: Binder, where: exp.Expr | None, plan: Plan, scope: Scope, source: exp.Expr) -> Plan:
    """Put the conjuncts of WHERE (or HAVING) to the rows of a plan that they read, the plain ones lowest.

    `source` is what the plan was bound from, for a refusal of its joins, which the plain conjuncts put in order.
    """
    path = scope.context.path
    inside = names(plan)
    ordinary: list[exp.Expr] = []
    linking: list[exp.Expr] = []
    temporal: list[exp.Expr] = []
    conditions: list[tuple[exp.Exists | exp.In, bool]] = []
    computed: list[exp.Expr] = []
    for written in as_bounds(terms_of(where.this) if where is not None else []):
        term = quantified(written, path) if has_query(written) else written
        inner, negated = term, False
        while isinstance(inner, (exp.Not, exp.Paren)):
            negated ^= isinstance(inner, exp.Not)
            inner = inner.this
        if isinstance(inner, exp.Exists) or (isinstance(inner, exp.In) and inner.args.get("query")):
            conditions.append((inner, negated))
        elif has_query(term):
            computed += bounds(term)
        elif term.find(*CLOCKS):
            temporal.append(term)
        elif has_aggregates(term):
            raise refuse("MS010", term, "aggregate in WHERE", path)
        else:
            for bound in terms_of(bind(term, scope)):
                (ordinary if references(bound) <= inside else linking).append(bound)
    later = bool(linking or free(plan))  # the query around it may connect joins too
    plan = filter_by(connect(plan, ordinary, None if later else source, path), linking)
    for term in temporal:
        plan = bind_temporal(term, plan, scope)
    for node, negated in conditions:
        if isinstance(node, exp.Exists):
            plan = bind_exists(binder, node, negated, plan, scope)
        else:
            plan = bind_in(binder, node, negated, plan, scope)
    for term in computed:
        plan = bind_computed(binder, term, plan, scope)
    return plan


def bounds(term: exp.Expr) -> list[exp.Expr]:
    """Split BETWEEN into its two comparisons, of which each may be a dynamic filter."""
    if not isinstance(term, exp.Between) or term.args.get("symmetric"):
        return [term]
    low, high = term.args["low"], term.args["high"]
    return [exp.GTE(this=term.this, expression=low), exp.LTE(this=term.this.copy(), expression=high)]


def bind_computed(binder: Binder, term: exp.Expr, plan: Plan, scope: Scope) -> Plan:
    """Bind a condition that has subqueries somewhere inside it."""
    joined, lifted = lift(binder, term, plan, scope)
    condition = bind(lifted, scope)
    return dynamic_filter(plan, joined, condition, scope) or Filter(joined, condition)


def dynamic_filter(plan: Plan, joined: Plan, condition: exp.Expr, scope: Scope) -> Plan | None:
    """Bind `x > (SELECT max(y) …)` or `x = …`: a semi join with the one row of a subquery alone on its side."""
    if not isinstance(joined, Project) or not isinstance(joined.input, Join):
        return None
    join, (attribute, value) = joined.input, joined.items[-1]
    if join.left is not plan or join.on is not None:
        return None
    compared = substitute(condition, {attribute.name: value})
    return compare_with_row(plan, join.right, compared, scope.context.names)
