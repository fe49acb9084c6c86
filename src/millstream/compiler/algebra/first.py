"""A top-N needs no more than its first N rows, which an index has in order, and of a union the first N of each branch."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import column, conjuncts, plain, references, substitute
from millstream.compiler.algebra.lineage import replace_node
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Plan,
    Project,
    UnionAll,
    Window,
    inputs,
    with_inputs,
)


def first_rows(plan: Plan) -> Plan:
    """Let what is under row_number() <= N over one partition stop after N rows, with no numbers where nobody reads them."""
    plan = with_inputs(plan, tuple(first_rows(child) for child in inputs(plan)))
    if isinstance(plan, (Project, Aggregate)) and isinstance(plan.input, Filter):
        return unnumbered(plan, plan.input)
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
    return (name, max(number - 1, 0)) if isinstance(term, exp.LT) else None


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
    plan = window.input
    while isinstance(plan, Project):
        below: dict[str, exp.Expr] = {a.name: e for a, e in plan.items}
        if any(ordered_by(term) is None for term in order):
            return window.input
        order = [substitute(term, below) for term in order]
        plan = plan.input
    known = {attribute.name for attribute in plan.columns}
    if not isinstance(plan, UnionAll) or any(ordered_by(term) not in known for term in order):
        return window.input
    branches = tuple(cut(plan, branch, order, count) for branch in plan.inputs)
    return replace_node(window.input, plan, replace(plan, inputs=branches))


def ordered_by(term: exp.Expr) -> str | None:
    """The column that a term of an order is."""
    return plain(term.this if isinstance(term, exp.Ordered) else term)


def cut(union: UnionAll, branch: Plan, order: list[exp.Expr], count: int) -> First:
    """The first rows of a branch, in an order of the union's columns."""
    own = {above.name: column(a) for above, a in zip(union.columns, branch.columns, strict=True)}
    return First(branch, tuple(substitute(term, own) for term in order), count)


def unnumbered(plan: Project | Aggregate, ranked: Filter) -> Plan:
    """The operator over the first rows themselves, if it reads no rank and their filter says nothing else."""
    bound = upper_bound(ranked.predicate)
    window = window_of(ranked.input, bound[0]) if bound is not None else None
    if bound is None or window is None or len(window.items) != 1 or not window.order:
        return plan
    read = frozenset().union(*(references(expression) for _, expression in plan.items))
    if bound[0] in read | {key.name for key in getattr(plan, "keys", ())}:
        return plan
    name, below, passed = bound[0], ranked.input, []
    while isinstance(below, Project):
        source = plain(next(e for a, e in below.items if a.name == name))
        kept = tuple((a, e) for a, e in below.items if a.name != name)
        if source is None or any(source in references(e) for _, e in kept):
            return plan
        passed.append(replace(below, items=kept))
        name, below = source, below.input
    made: Plan = First(window.input, (*window.order, *window.ties), bound[1])
    for project in reversed(passed):
        made = replace(project, input=made)
    return replace(plan, input=made)
