"""Bind window functions: those over the same PARTITION BY and ORDER BY become one operator."""

from __future__ import annotations

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front.scalar import bind
from millstream.front.scope import Scope
from millstream.plan.expression import Attribute, column, plain
from millstream.plan.nodes import Plan, Project, Window, identity


def bind_windows(
    items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """Put the window functions of a SELECT list on top of a plan; return the list over their results."""
    context = scope.context
    groups: dict[str, list[tuple[Attribute, exp.Window]]] = {}

    def lift(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Window):
            return node
        text = exp.Window(
            this=exp.Null(), **{k: v for k, v in node.args.items() if k != "this" and v is not None}
        ).sql()
        attribute = Attribute(
            context.names.fresh(node.this.key), None, not isinstance(node.this, (exp.RowNumber, exp.Count))
        )
        groups.setdefault(text, []).append((attribute, node))
        scope.tables.setdefault("", {})[attribute.name] = attribute
        return column(attribute)

    rewritten = [(name, item.copy().transform(lift, copy=False)) for name, item in items]
    for members in groups.values():
        plan = bind_window(members, plan, scope)
    return plan, rewritten


def bind_window(members: list[tuple[Attribute, exp.Window]], plan: Plan, scope: Scope) -> Window:
    """Bind the functions of one OVER clause; a PARTITION BY expression is computed below first."""
    context = scope.context
    node = members[0][1]
    known = {attribute.name: attribute for attribute in plan.columns}
    partition: list[Attribute] = []
    computed: list[tuple[Attribute, exp.Expr]] = []
    for term in node.args.get("partition_by") or []:
        bound = bind(term, scope)
        name = plain(bound)
        if name is not None:
            partition.append(known[name])
        else:
            attribute = Attribute(context.names.fresh("key"))
            computed.append((attribute, bound))
            partition.append(attribute)
    if computed:
        plan = Project(plan, (*identity(plan), *computed))
    if node.args.get("alias"):
        raise refuse("MS010", node, "WINDOW clause", context.path)
    order = node.args.get("order")
    terms = tuple(bind(term, scope) for term in order.expressions) if order is not None else ()
    if not terms:
        raise refuse("MS010", node, "window function without ORDER BY", context.path)
    spec = node.args.get("spec")
    functions = tuple((attribute, bind(window.this, scope)) for attribute, window in members)
    return Window(plan, tuple(partition), terms, functions, spec.copy() if spec is not None else None)
