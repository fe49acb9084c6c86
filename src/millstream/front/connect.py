"""Order inner joins so that each is connected by an equality, or has one row on its right side."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.plan.expression import conjunction, conjuncts, equalities, references
from millstream.plan.nodes import Join, Plan, inputs, names, scans, with_inputs
from millstream.plan.single import at_most_one


def connect(plan: Plan, node: exp.Expr, path: str | None) -> Plan:
    """Rewrite `FROM a, b, c WHERE a.x = c.x AND c.y = b.y` as a ⋈ c ⋈ b; refuse what no equality connects."""
    if is_inner(plan) and not all(is_connected(join) for join in chain(plan)):
        return reorder(plan, node, path)
    return with_inputs(plan, tuple(connect(child, node, path) for child in inputs(plan)))


def is_inner(plan: Plan) -> bool:
    """Tell whether a plan is a join that may change places with others."""
    return isinstance(plan, Join) and plan.kind == "inner" and not plan.process_time and not plan.nearest


def chain(plan: Plan) -> Iterator[Join]:
    """The inner joins at the top of a plan."""
    if isinstance(plan, Join) and is_inner(plan):
        yield plan
        yield from chain(plan.left)
        yield from chain(plan.right)


def is_connected(join: Join) -> bool:
    """Tell whether a changed row of either side is looked up on the other, or meets few rows there."""
    few = join.single or is_constant(join.left) or is_constant(join.right)
    return few or bool(equalities(join.on, names(join.left), names(join.right)))


def is_constant(plan: Plan) -> bool:
    """Tell whether a plan reads no relation."""
    return not scans(plan)


def reorder(plan: Plan, node: exp.Expr, path: str | None) -> Plan:
    """Join the items of a chain one by one, each where an equality connects it, one-row items where none does."""
    terms = [term for join in chain(plan) for term in conjuncts(join.on)]
    waiting = [connect(item, node, path) for item in items(plan)]
    joined = waiting.pop(0)
    while waiting:
        chosen = next((item for item in waiting if pairs(terms, joined, item)), None)
        single = False
        if chosen is None:
            chosen = next((item for item in waiting if at_most_one(item)), None)
            single = chosen is not None
        if chosen is None:
            chosen = next((item for item in waiting if is_constant(item) or is_constant(joined)), None)
        if chosen is None:
            chosen, single = waiting[0], at_most_one(joined)
            if not single:
                raise refuse("MS015", node, "", path)
            waiting[0], joined = joined, chosen
            chosen = waiting[0]
        waiting.remove(chosen)
        known = names(joined) | names(chosen)
        on = [term for term in terms if references(term) <= known]
        terms = [term for term in terms if not references(term) <= known]
        joined = Join(joined, chosen, "inner", conjunction(on), single=single)
    return joined


def items(plan: Plan) -> Iterator[Plan]:
    """What the inner joins at the top of a plan join, from left to right."""
    if isinstance(plan, Join) and is_inner(plan):
        yield from items(plan.left)
        yield from items(plan.right)
    else:
        yield plan


def pairs(terms: list[exp.Expr], left: Plan, right: Plan) -> bool:
    """Tell whether an equality connects two plans."""
    known = names(left) | names(right)
    usable = [term for term in terms if references(term) <= known]
    return bool(equalities(conjunction(usable), names(left), names(right)))
