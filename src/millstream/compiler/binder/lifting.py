"""Take subqueries out of expressions: each becomes a join below, and a column in its place."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.operators import Plan, Project, identity
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.scope import Scope, introduced
from millstream.compiler.binder.subqueries import attach_value
from millstream.compiler.syntax.arrays import is_array_of_query
from millstream.diagnostics import refuse

Items = list[tuple[str, exp.Expr]]


def is_subquery(node: exp.Expr) -> bool:
    """Tell whether a node is a subquery in an expression, with the EXISTS, IN, ANY or ALL around it."""
    if isinstance(node, exp.Exists) or (isinstance(node, exp.In) and node.args.get("query") is not None):
        return True
    if isinstance(node, exp.Subquery) or is_array_of_query(node):
        return True
    return (
        isinstance(node, exp.Binary) and isinstance(node.expression, (exp.Any, exp.All)) and has_query(node)
    )


def has_query(node: exp.Expr) -> bool:
    """Tell whether an expression contains a subquery."""
    return node.find(exp.Query, exp.Exists) is not None


def quantified(expression: exp.Expr, path: str | None) -> exp.Expr:
    """Write `x = ANY (SELECT …)` as IN and `x <> ALL (SELECT …)` as NOT IN, in a copy."""

    def change(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Binary) or not isinstance(node.expression, (exp.Any, exp.All)):
            return node
        select = node.expression.this
        if not isinstance(select, exp.Query):
            return node
        found = exp.In(
            this=node.this, query=select if isinstance(select, exp.Subquery) else exp.Subquery(this=select)
        )
        if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
            return found
        if isinstance(node, exp.NEQ) and isinstance(node.expression, exp.All):
            return exp.Not(this=found)
        raise refuse("MS021", node, "ANY or ALL", path)

    root = exp.Paren(this=expression.copy())
    root.transform(change, copy=False)
    changed: exp.Expr = root.this
    return changed


def outermost(expression: exp.Expr) -> list[exp.Expr]:
    """The subqueries of an expression that are not inside another one."""
    nodes = expression.walk(prune=is_subquery)
    return [node for node in nodes if is_subquery(node)]


def lift(binder: Binder, expression: exp.Expr, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join the subqueries of an expression to a plan; return the expression over the joined columns, not bound."""
    if not has_query(expression):
        return plan, expression
    root = exp.Paren(this=quantified(expression, scope.context.path))
    for node in outermost(root.this):
        joined, value = attach_value(binder, node, plan, scope)
        source = next((each for each in joined.columns if each.name == plain(value)), None)
        attribute = Attribute(
            scope.context.names.fresh("value"),
            source.type if source is not None else None,
            source.nullable if source is not None else True,
        )
        plan = Project(joined, (*identity(plan), (attribute, value)))
        scope.introduce(attribute)
        node.replace(introduced(attribute))
    lifted: exp.Expr = root.this
    return plan, lifted


def lift_items(binder: Binder, items: Items, plan: Plan, scope: Scope) -> tuple[Plan, Items]:
    """Lift the subqueries of a SELECT list."""
    lifted: Items = []
    for name, item in items:
        plan, expression = lift(binder, item, plan, scope)
        lifted.append((name, expression))
    return plan, lifted
