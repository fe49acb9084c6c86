"""Bind IN, with SQL's treatment of NULL: a semi or anti join where it is a conjunct of WHERE, anywhere else a CASE over a join."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    is_null,
    negation,
    not_null,
    plain,
)
from millstream.compiler.algebra.operators import Aggregate, Join, Lateral, Plan, Project
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.correlate import bind_subplan
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Context, Scope
from millstream.compiler.binder.subplan import Subplan, check_width, distinct_ties, rows_kept
from millstream.compiler.dialect import called
from millstream.diagnostics import refuse

CALCULATION = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Neg, exp.Paren, exp.Column, exp.Literal)


def bind_in(binder: Binder, node: exp.In, negated: bool, plan: Plan, scope: Scope) -> Plan:
    """Keep the rows for which [NOT] IN holds.

    A NULL on either side never matches. So it ends NOT IN as well: x NOT IN (S) is true where no s equals x, and
    either S has no rows, or neither x nor any s is NULL.
    """
    path = scope.context.path
    values = left_of(node, scope)
    sub = bind_subplan(binder, node.args["query"], plan, scope)
    check_width(node, sub, len(values), path)
    if (sub.sole or sub.each) and len(values) == 1:
        joined, value = attach_member(sub, values[0], plan, scope.context)
        return rows_kept(plan, joined, negation(value) if negated else value)
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
    return rows_kept(plan, joined, exp.or_(negation(some), exp.and_(not_null(values[0]), negation(has_null))))


def left_of(node: exp.In, scope: Scope) -> list[exp.Expr]:
    """The expressions left of IN."""
    sides = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    return [bind(side, scope) for side in sides]


def attach_membership(binder: Binder, node: exp.In, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join what decides x IN (S): true where an s equals x, else NULL where x or some s is NULL, else false."""
    context = scope.context
    values = left_of(node, scope)
    if len(values) > 1:
        raise refuse("MS046", node, "", context.path)
    (value,) = values
    sub = bind_subplan(binder, node.args["query"], plan, scope, strict=True, closed=True)
    check_width(node, sub, 1, context.path)
    if sub.sole or sub.each:
        return attach_member(sub, value, plan, context)
    other = sub.outputs[0][1]
    nullable = may_be_null(value, plan) or may_be_null(other, sub.plan)
    member = Attribute(context.names.fresh("member"), None, may_be_null(other, sub.plan))
    rows, linked = distinct_ties(sub, ((member, other),), context.names)
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
    sub = bind_subplan(binder, node.args["query"], plan, scope, strict=True, closed=True)
    member = Attribute(context.names.fresh("member"))
    linked = tuple(
        (Attribute(context.names.fresh("link"), a.type, a.nullable), column(a))
        for a in (tie.column for tie in sub.ties)
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
    on = conjunction(tie.met_by(new) for new, tie in zip(renamed, sub.ties, strict=True))
    return Join(plan, by_key, "left", on), not_null(column(has_null)), column(has_null)


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
