"""Bind EXISTS, IN and scalar subqueries as joins, with SQL's treatment of NULL.

As a conjunct of WHERE, EXISTS and IN are semi and anti joins. Anywhere else they are a value: a left join with the
distinct rows of the subquery, and a CASE over what it found. A subquery that does not refer to the query around it is
one row, joined to every row; one that reads the row outside and no relation is computed with that row.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, conjunction, plain, references
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Values,
    identity,
    names,
)
from millstream.compiler.algebra.single import at_most_one
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.correlate import bind_subplan
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Context, Scope
from millstream.compiler.binder.subplan import Subplan
from millstream.compiler.dialect import called
from millstream.compiler.syntax import arrays
from millstream.diagnostics import refuse

CALCULATION = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Neg, exp.Paren, exp.Column, exp.Literal)


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


def bind_exists(binder: Binder, node: exp.Exists, negated: bool, plan: Plan, scope: Scope) -> Plan:
    """Keep the rows for which [NOT] EXISTS holds."""
    sub = bind_subplan(binder, node.this, plan, scope)
    if sub.sole or sub.each or not sub.correlated:
        joined, found = attach_found(node, sub, plan, scope.context)
        return kept_rows(plan, joined, no(found) if negated else found)
    if not sub.links:
        raise refuse("MS015", node, "", scope.context.path)
    return Join(plan, sub.plan, "anti" if negated else "semi", sub.condition)


def bind_in(binder: Binder, node: exp.In, negated: bool, plan: Plan, scope: Scope) -> Plan:
    """Keep the rows for which [NOT] IN holds.

    A NULL on either side never matches. So it ends NOT IN as well: x NOT IN (S) is true where no s equals x, and
    either S has no rows, or neither x nor any s is NULL.
    """
    path = scope.context.path
    values = left_of(node, scope)
    sub = bind_subplan(binder, query_of(node), plan, scope)
    check_width(node, sub, len(values), path)
    if (sub.sole or sub.each) and len(values) == 1:
        joined, value = attach_member(sub, values[0], plan, scope.context)
        return kept_rows(plan, joined, no(value) if negated else value)
    if sub.sole or sub.each:
        raise refuse("MS046", node, "", path)
    matches = [
        exp.EQ(this=value, expression=other) for value, (_, other) in zip(values, sub.outputs, strict=True)
    ]
    terms = [*sub.terms, *matches]
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
    if any(
        reads_null(v, plan) or reads_null(o, sub.plan) for v, (_, o) in zip(values, sub.outputs, strict=True)
    ):
        scope.context.with_nulls.append((node, path))
    joined, some, has_null = attach_nulls(binder, node, kept, scope)
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


def reads_null(expression: exp.Expr, plan: Plan) -> bool:
    """Tell whether an expression may be NULL for another reason than that it fails: calculation with no NULL in it is not."""
    nodes = list(expression.walk(prune=is_column))
    if not all(isinstance(node, CALCULATION) or called(node) == "mod" for node in nodes):
        return may_be_null(expression, plan)
    return any(may_be_null(node, plan) for node in nodes if is_column(node))


def is_column(node: exp.Expr) -> bool:
    """Tell whether a node is a column."""
    return isinstance(node, exp.Column)


# ---- values ---------------------------------------------------------------------------------------------------------


def attach_value(binder: Binder, node: exp.Expr, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join a subquery to a plan; return the joined plan and its value as an expression over it."""
    if isinstance(node, exp.Exists):
        sub = bind_subplan(binder, node.this, plan, scope, strict=True)
        return attach_found(node, sub, plan, scope.context)
    if isinstance(node, exp.In):
        return attach_membership(binder, node, plan, scope)
    if isinstance(node, exp.Array):
        return attach_scalar(binder, arrays.gathered(node), plan, scope)
    return attach_scalar(binder, node, plan, scope)


def attach_found(node: exp.Expr, sub: Subplan, plan: Plan, context: Context) -> tuple[Plan, exp.Expr]:
    """Join whether a subquery has rows: one row in all, one for each row outside, or one for each value of its links."""
    if sub.sole:
        return plan, exp.true()
    if not sub.correlated or sub.each:
        count = Attribute(context.names.fresh("count"), "bigint", False)
        found = Attribute(context.names.fresh("found"), "boolean", False)
        counted = Aggregate(sub.plan, (), ((count, exp.Count(this=exp.Star(), big_int=True)),))
        some = exp.GT(this=column(count), expression=exp.Literal.number(0))
        context.places[found.name] = (node, context.path)
        return joined_row(plan, Project(counted, ((found, some),)), sub), column(found)
    rows, on = distinct_links(sub, (), context)
    mark = next((key for key, link in zip(rows.keys, sub.links, strict=True) if not link.nulls), None)
    if mark is not None:
        return Join(plan, rows, "left", on), not_null(column(mark))
    mark = Attribute(context.names.fresh("found"), "boolean", False)
    marked = Project(rows, (*identity(rows), (mark, exp.true())))
    return Join(plan, marked, "left", on), not_null(column(mark))


def joined_row(plan: Plan, row: Plan, sub: Subplan) -> Plan:
    """Join the one row of a subquery that is not tied to the rows outside, or that reads nothing else."""
    return Lateral(plan, row) if sub.each else Join(plan, row, "inner", None, single=True)


def distinct_links(
    sub: Subplan, values: tuple[tuple[Attribute, exp.Expr], ...], context: Context
) -> tuple[Aggregate, exp.Expr | None]:
    """The distinct links and values of a subquery, and the condition that joins them by the links."""
    linked = tuple(
        (Attribute(context.names.fresh("link"), a.type, a.nullable), column(a))
        for a in (link.column for link in sub.links)
    )
    rows = Project(sub.plan, (*linked, *values))
    on = conjunction(link.met_by(attribute) for (attribute, _), link in zip(linked, sub.links, strict=True))
    return Aggregate(rows, rows.columns, ()), on


def attach_membership(binder: Binder, node: exp.In, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join what decides x IN (S): true where an s equals x, else NULL where x or some s is NULL, else false."""
    context = scope.context
    values = left_of(node, scope)
    if len(values) > 1:
        raise refuse("MS046", node, "", context.path)
    (value,) = values
    sub = bind_subplan(binder, query_of(node), plan, scope, strict=True, closed=True)
    check_width(node, sub, 1, context.path)
    if sub.sole or sub.each:
        return attach_member(sub, value, plan, context)
    other = sub.outputs[0][1]
    nullable = may_be_null(value, plan) or may_be_null(other, sub.plan)
    member = Attribute(context.names.fresh("member"), None, may_be_null(other, sub.plan))
    rows, linked = distinct_links(sub, ((member, other),), context)
    matches = exp.EQ(this=value.copy(), expression=column(member))
    plan = Join(plan, rows, "left", conjunction([*([linked] if linked is not None else []), matches]))
    hit = not_null(column(member))
    if not nullable:
        return plan, hit
    plan, some, has_null = attach_nulls(binder, node, plan, scope)
    unknown = exp.and_(some, exp.paren(exp.or_(is_null(value), has_null)))
    return plan, exp.Case().when(hit, exp.true()).when(unknown, exp.Null()).else_(exp.false())


def attach_member(sub: Subplan, value: exp.Expr, plan: Plan, context: Context) -> tuple[Plan, exp.Expr]:
    """x IN (SELECT count(*) …), which is an equality with the one row; or IN a list that the row outside has."""
    other = sub.outputs[0][1]
    if sub.sole:
        equal = exp.EQ(this=value, expression=exp.paren(other))
        return Join(plan, sub.plan, "left", sub.condition), exp.paren(equal)
    every, known, hit = (Attribute(context.names.fresh(label)) for label in ("count", "count", "hit"))
    equal = exp.EQ(this=value.copy(), expression=exp.paren(other))
    calls = (
        (every, exp.Count(this=exp.Star(), big_int=True)),
        (known, exp.Count(this=equal, big_int=True)),
        (hit, exp.LogicalOr(this=equal.copy())),
    )
    unknown = exp.GT(this=column(every), expression=column(known))
    decided = exp.Case().when(column(hit), exp.true()).when(unknown, exp.Null()).else_(exp.false())
    is_member = Attribute(context.names.fresh("member"), "boolean")
    return Lateral(plan, Project(Aggregate(sub.plan, (), calls), ((is_member, decided),))), column(is_member)


def attach_nulls(binder: Binder, node: exp.In, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr, exp.Expr]:
    """Join what IN must know beyond the matches: whether the subquery has rows at all, and whether one is NULL."""
    context = scope.context
    sub = bind_subplan(binder, query_of(node), plan, scope, strict=True, closed=True)
    member = Attribute(context.names.fresh("member"))
    linked = tuple(
        (Attribute(context.names.fresh("link"), a.type, a.nullable), column(a))
        for a in (link.column for link in sub.links)
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
    renamed = tuple(replace(key, name=context.names.fresh("link")) for key in keys)
    by_key = Project(
        counted,
        (*((new, column(key)) for new, key in zip(renamed, keys, strict=True)), (has_null, differs)),
    )
    on = conjunction(link.met_by(new) for new, link in zip(renamed, sub.links, strict=True))
    return Join(plan, by_key, "left", on), not_null(column(has_null)), column(has_null)


def attach_scalar(binder: Binder, node: exp.Expr, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join a subquery that stands for one value; NULL where it has no row."""
    context = scope.context
    sub = bind_subplan(binder, node, plan, scope)
    check_width(node, sub, 1, context.path)
    ((label, value),) = sub.outputs
    if sub.sole:
        return Join(plan, sub.plan, "left", sub.condition), value
    if not at_most_one(sub.plan, frozenset(link.column.name for link in sub.links)):
        raise refuse("MS044", node, "", context.path)
    if sub.each:
        return Lateral(plan, sub.plan, outer=not exactly_one(sub.plan)), value
    if not sub.correlated:
        attribute = Attribute(context.names.fresh("value"), None, True)
        row = Project(sub.plan, ((attribute, value),))
        context.places[attribute.name] = (node, context.path)
        kind = "inner" if exactly_one(row) else "left"
        return Join(plan, row, kind, None, single=True), column(attribute)
    right, ((_, value),) = beside(sub, [(label, value)], context)
    return Join(plan, right, "left", sub.condition), value


def beside(
    sub: Subplan, outputs: list[tuple[str, exp.Expr]], context: Context
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """The plan of a subquery for a left join, and its outputs, NULL for a row outside that meets none of its rows.

    What reads the subquery alone is computed below the join; what reads the row outside too, where the join found a row.
    """
    right = sub.plan
    below: list[tuple[Attribute, exp.Expr]] = []
    changed: list[tuple[str, exp.Expr]] = []
    mark = next((link.column for link in sub.links if not link.nulls), None)
    for name, value in outputs:
        if plain(value) in names(right):
            changed.append((name, value))
        elif references(value) <= names(right):
            attribute = Attribute(context.names.fresh(name or "value"))
            below.append((attribute, value))
            changed.append((name, column(attribute)))
        else:
            if mark is None:
                mark = Attribute(context.names.fresh("found"), "boolean", False)
                below.append((mark, exp.true()))
            changed.append((name, exp.Case().when(not_null(column(mark)), value)))
    return (Project(right, (*identity(right), *below)) if below else right), changed


def exactly_one(plan: Plan) -> bool:
    """Tell whether a plan has exactly one row: an aggregation of everything, with projections above it, or a constant."""
    while isinstance(plan, Project):
        plan = plan.input
    return (isinstance(plan, Aggregate) and not plan.keys) or (
        isinstance(plan, Values) and len(plan.rows) == 1
    )
