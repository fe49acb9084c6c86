"""Bind set operations: UNION, INTERSECT and EXCEPT, each with or without ALL, and what orders and limits them."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, plain, substitute
from millstream.compiler.algebra.operators import Aggregate, Filter, Plan, Project, UnionAll, Unnest
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.ordering import bind_ordering, read_ordering
from millstream.compiler.binder.scope import Columns, Context, Scope
from millstream.compiler.dialect import DIALECT
from millstream.diagnostics import refuse

Branch = tuple[Plan, Columns]


def bind_set_operation(binder: Binder, node: exp.SetOperation, scope: Scope) -> tuple[Plan, Columns]:
    """Bind a set operation with its ORDER BY and LIMIT, which see its columns only."""
    context = scope.context
    left, right = (binder.query(side, scope) for side in (node.left, node.right))
    if len(left[1]) != len(right[1]):
        raise refuse("MS022", node.right, f"{len(left[1])} and {len(right[1])} columns", context.path)
    if not left[1]:
        raise refuse("MS009", node.left, "a set operation", context.path)
    left, right = typed(left, right, context), typed(right, left, context)
    distinct = bool(node.args.get("distinct"))
    if isinstance(node, exp.Union):
        plan, columns = union(left, right, distinct, context)
    else:
        plan, columns = counted(node, left, right, distinct, context)
    labels = [name for name, _ in left[1]]
    ordering, _ = read_ordering(
        unlisted(node), [(label, exp.column(label, quoted=True)) for label in labels], context
    )
    plan = bind_ordering(ordering, plan, list(columns), len(columns), context)
    return plan, list(zip(labels, columns, strict=True))


def typed(branch: Branch, other: Branch, context: Context) -> Branch:
    """Give constants of no type, such as NULL, the type that the other branch has at their place, as SQL does.

    Where that type is not known here they stay text, and PostgreSQL may refuse the operation.
    """
    plan, outputs = branch
    items: list[tuple[Attribute, exp.Expr]] = []
    changed: Columns = []
    for (name, attribute), (_, wanted) in zip(outputs, other[1], strict=True):
        type_ = wanted.type or type_of(origin(other[0], wanted.name))
        if type_ is None or not is_untyped(origin(plan, attribute.name)):
            items.append((attribute, column(attribute)))
            changed.append((name, attribute))
            continue
        fresh = Attribute(context.names.fresh(name), type_, attribute.nullable)
        to = exp.DataType.build(type_, dialect=DIALECT, udt=True)
        items.append((fresh, exp.Cast(this=column(attribute), to=to)))
        changed.append((name, fresh))
    if changed == outputs:
        return branch
    if isinstance(plan, Project) and [a for a, _ in plan.items] == [a for _, a in outputs]:
        below = {a.name: e for a, e in plan.items}
        items = [(a, substitute(e, below) if isinstance(e, exp.Cast) else below[a.name]) for a, e in items]
        plan = plan.input
    return Project(plan, tuple(items)), changed


def origin(plan: Plan, name: str) -> exp.Expr | None:
    """Return the expression that computes a column, below projections that pass it on; None for a stored one."""
    while isinstance(plan, (Project, Filter)):
        if isinstance(plan, Project):
            expression = next(e for a, e in plan.items if a.name == name)
            source = plain(expression)
            if source is None:
                return expression
            name = source
        plan = plan.input
    if isinstance(plan, Aggregate):
        return next((e for a, e in plan.items if a.name == name), None)
    return None


def is_untyped(expression: exp.Expr | None) -> bool:
    """Tell whether an expression is NULL or a string without a cast."""
    return isinstance(expression, exp.Null) or (isinstance(expression, exp.Literal) and expression.is_string)


def type_of(expression: exp.Expr | None) -> str | None:
    """The type of a number or a count."""
    if isinstance(expression, exp.Count):
        return "bigint"
    if isinstance(expression, exp.Literal) and not expression.is_string:
        return "integer" if expression.is_int and abs(int(expression.name)) < 2**31 else None
    return None


def unlisted(node: exp.SetOperation) -> exp.SetOperation:
    """Return the operation without its DISTINCT, which is about rows and not about an order."""
    bare = node.copy()
    bare.set("distinct", None)
    return bare


def union(
    left: Branch, right: Branch, distinct: bool, context: Context
) -> tuple[Plan, tuple[Attribute, ...]]:
    """UNION ALL as one operator over all its branches; UNION adds a GROUP BY of every column."""
    plans: list[Plan] = []
    for plan, outputs in (left, right):
        if isinstance(plan, UnionAll) and tuple(attribute for _, attribute in outputs) == plan.columns:
            plans.extend(plan.inputs)
        else:
            plans.append(distinctly_named(plan, outputs, (), context))
    columns = common(left[1], right[1], context)
    result: Plan = UnionAll(tuple(plans), columns)
    return Aggregate(result, columns, ()) if distinct else result, columns


def counted(
    node: exp.SetOperation, left: Branch, right: Branch, distinct: bool, context: Context
) -> tuple[Plan, tuple[Attribute, ...]]:
    """INTERSECT and EXCEPT: how often each row is on either side decides how often it is in the result."""
    side = Attribute(context.names.fresh("side"), "boolean", False)
    branches = tuple(
        distinctly_named(plan, outputs, (("side", mark),), context)
        for (plan, outputs), mark in ((left, exp.true()), (right, exp.false()))
    )
    columns = common(left[1], right[1], context)
    tallies = []
    for test in (column(side), exp.Not(this=column(side))):
        rows = exp.Filter(
            this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Where(this=test.copy())
        )
        tallies.append((Attribute(context.names.fresh("count"), "bigint", False), rows))
    groups = Aggregate(UnionAll(branches, (*columns, side)), columns, tuple(tallies))
    here, there = (column(attribute) for attribute, _ in tallies)
    zero = exp.Literal.number(0)
    shown = tuple((attribute, column(attribute)) for attribute in columns)
    if distinct:
        other = exp.GT if isinstance(node, exp.Intersect) else exp.EQ
        kept = exp.and_(exp.GT(this=here, expression=zero), other(this=there, expression=zero.copy()))
        return Project(Filter(groups, kept), shown), columns
    if isinstance(node, exp.Intersect):
        copies: exp.Expr = exp.Least(this=here, expressions=[there])
    else:
        copies = exp.Greatest(this=exp.Sub(this=here, expression=there), expressions=[zero])
    once = Attribute(context.names.fresh("copy"), "integer", False)
    array = exp.Anonymous(
        this="array_fill",
        expressions=[exp.Literal.number(1), exp.Array(expressions=[exp.cast(copies, "integer")])],
    )
    return Project(Unnest(groups, (exp.Unnest(expressions=[array]),), ((once,),), None), shown), columns


def distinctly_named(
    plan: Plan, outputs: Columns, more: tuple[tuple[str, exp.Expr], ...], context: Context
) -> Project:
    """Project exactly the outputs, in order, each under an attribute of its own, and constants after them."""
    return Project(
        plan,
        (
            *(
                (Attribute(context.names.fresh(name), attribute.type, attribute.nullable), column(attribute))
                for name, attribute in outputs
            ),
            *((Attribute(context.names.fresh(name), None, False), value) for name, value in more),
        ),
    )


def common(left: Columns, right: Columns, context: Context) -> tuple[Attribute, ...]:
    """The columns of the result: of the type that both sides have, as far as it is known."""
    return tuple(
        Attribute(context.names.fresh(name), a.type if a.type == b.type else None, a.nullable or b.nullable)
        for (name, a), (_, b) in zip(left, right, strict=True)
    )
