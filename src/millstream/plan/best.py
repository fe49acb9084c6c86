"""A top-N over UNION ALL needs no more than the first N rows of each branch, which an index of its relation has in order."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.plan.expression import conjuncts, plain, substitute
from millstream.plan.lineage import replace_node
from millstream.plan.nodes import Filter, Plan, Project, UnionAll, Window, inputs, with_inputs


def best_of_branches(plan: Plan) -> Plan:
    """Mark the unions under row_number() <= N over one partition: their branches may stop after N rows in its order."""
    plan = with_inputs(plan, tuple(best_of_branches(child) for child in inputs(plan)))
    if not isinstance(plan, Filter):
        return plan
    for term in conjuncts(plan.predicate):
        bound = upper_bound(term)
        ranked = window_of(plan.input, bound[0]) if bound is not None else None
        if bound is not None and ranked is not None:
            return replace_node(plan, ranked, replace(ranked, input=stopping(ranked, bound[1])))
    return plan


def upper_bound(term: exp.Expr) -> tuple[str, int] | None:
    """The column and the N of `column <= N`, `column < N + 1` or `column = 1`."""
    name, literal = plain(term.this) if isinstance(term, exp.Binary) else None, term.args.get("expression")
    if name is None or not isinstance(literal, exp.Literal) or not literal.is_int:
        return None
    number = int(literal.name)
    if isinstance(term, exp.LTE) or (isinstance(term, exp.EQ) and number == 1):
        return name, number
    return (name, number - 1) if isinstance(term, exp.LT) else None


def window_of(plan: Plan, name: str) -> Window | None:
    """The window whose row_number() a column is, where nothing below numbers rows of several partitions."""
    while isinstance(plan, Project):
        source = next((plain(e) for a, e in plan.items if a.name == name), None)
        if source is None:
            return None
        name, plan = source, plan.input
    if not isinstance(plan, Window) or plan.partition or plan.frame is not None:
        return None
    function = next((e for a, e in plan.items if a.name == name), None)
    return plan if isinstance(function, exp.RowNumber) else None


def stopping(window: Window, count: int) -> Plan:
    """The input of a window with every branch of its union cut after `count` rows in the window's order."""
    order = [*window.order, *window.ties]
    plan, passed = window.input, []
    while isinstance(plan, Project):
        below: dict[str, exp.Expr] = {a.name: e for a, e in plan.items}
        if any(plain(term.this if isinstance(term, exp.Ordered) else term) is None for term in order):
            return window.input
        order = [substitute(term, below) for term in order]
        passed.append(plan)
        plan = plan.input
    known = {attribute.name for attribute in plan.columns}
    if not isinstance(plan, UnionAll) or any(
        plain(term.this if isinstance(term, exp.Ordered) else term) not in known for term in order
    ):
        return window.input
    made: Plan = replace(plan, best=(tuple(order), count))
    for project in reversed(passed):
        made = replace(project, input=made)
    return made
