"""Put conditions to the rows that they read, and order inner joins so that an equality connects each of them.

`FROM a, b, c WHERE a.x = c.x AND c.y = b.y AND a.z > 1` becomes  σ_{z > 1}(a) ⋈ c ⋈ b, however it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import conjunction, conjuncts, links, plain, references
from millstream.compiler.algebra.operators import (
    Filter,
    Join,
    Plan,
    Project,
    Unnest,
    inputs,
    names,
    scans,
    with_inputs,
)
from millstream.compiler.algebra.single import at_most_one
from millstream.diagnostics import refuse

Terms = list[exp.Expr]


def connect(plan: Plan, terms: Terms, node: exp.Expr | None, path: str | None) -> Plan:
    """Return σ_terms(plan) with the terms as low as they can go.

    Refuses inner joins that no equality connects at `node`; without one they may stay so, until `reconnect`.
    """
    if is_inner(plan):
        return connect_chain(plan, terms, node, path)
    if isinstance(plan, Join):
        return connect_outer(plan, terms, node, path)
    if isinstance(plan, (Filter, Unnest)):
        own, rest = split(terms, names(plan.input))
        return filter_by(replace(plan, input=connect(plan.input, own, node, path)), rest)
    if isinstance(plan, Project) and (added := added_columns(plan)) is not None:
        own, rest = split(terms, names(plan.input) - added)
        return filter_by(replace(plan, input=connect(plan.input, own, node, path)), rest)
    return filter_by(plan, terms)


def reconnect(plan: Plan, node: exp.Expr, path: str | None) -> Plan:
    """Put the inner joins of a plan in order where one of them has no equality; refuse those that no order connects."""
    if is_inner(plan) and not all(is_joined(join) for join in inner_joins(plan)):
        plan = connect(plan, [], node, path)
    return with_inputs(plan, tuple(reconnect(child, node, path) for child in inputs(plan)))


def connect_outer(plan: Join, terms: Terms, node: exp.Expr | None, path: str | None) -> Plan:
    """Put terms below or into a join that stays where it is: outer, nearest, or process-time."""
    own, rest = split(terms, names(plan.left)) if plan.kind != "full" else ([], terms)
    on = conjuncts(plan.on)
    if plan.process_time and plan.kind == "inner":
        matched, rest = split(rest, names(plan))
        on = [*on, *matched]
    inside: Terms = []
    if is_inner(plan.right) and plan.kind != "full":
        inside, on = split(on, names(plan.right))
    left = connect(plan.left, own, node, path)
    right = connect(plan.right, inside, node, path)
    return filter_by(replace(plan, left=left, right=right, on=conjunction(on)), rest)


def split(terms: Terms, known: frozenset[str]) -> tuple[Terms, Terms]:
    """The terms that read some of these columns and no others, and the rest."""
    own = [term for term in terms if references(term) and references(term) <= known]
    return own, [term for term in terms if term not in own]


def filter_by(plan: Plan, terms: Terms) -> Plan:
    """Filter by terms, if there are any."""
    predicate = conjunction(terms)
    return Filter(plan, predicate) if predicate is not None else plan


def added_columns(plan: Project) -> frozenset[str] | None:
    """The columns that a projection adds to all of its input's; None where it does not pass those on as they are."""
    passed = {a.name for a, e in plan.items if plain(e) == a.name}
    return frozenset(names(plan) - passed) if passed == names(plan.input) else None


def is_inner(plan: Plan) -> bool:
    """Tell whether a plan is a join that may change places with others."""
    return isinstance(plan, Join) and plan.kind == "inner" and not plan.process_time and not plan.nearest


def connect_chain(plan: Plan, terms: Terms, node: exp.Expr | None, path: str | None) -> Plan:
    """Join the items of a chain one by one: as written where an equality connects the next one, else the first that one
    does. One-row items and constants come after those, and need no equality.
    """
    terms = [term for term in (*chain_conditions(plan), *terms) if term != exp.true()]
    waiting: list[Plan] = []
    for item in chain_items(plan):
        own, terms = split(terms, names(item))
        waiting.append(connect(item, own, node, path))
    joined = next((item for item in waiting if not is_few(item)), waiting[0])
    waiting.remove(joined)
    while waiting:
        chosen = next((item for item in waiting if is_connected(terms, joined, item)), None)
        if chosen is None:
            chosen = next((item for item in waiting if is_few(item)), None)
        if chosen is None and node is not None:
            raise refuse("MS015", node, "", path)
        chosen = chosen or waiting[0]
        waiting.remove(chosen)
        on, terms = split(terms, names(joined) | names(chosen))
        single = at_most_one(chosen) and not links(conjunction(on), names(joined), names(chosen))
        joined = Join(joined, chosen, "inner", conjunction(on), single=single)
    return filter_by(joined, terms)


def inner_joins(plan: Plan) -> Iterator[Join]:
    """The inner joins at the top of a plan."""
    if isinstance(plan, Join) and is_inner(plan):
        yield plan
        yield from inner_joins(plan.left)
        yield from inner_joins(plan.right)


def is_joined(join: Join) -> bool:
    """Tell whether a changed row of either side is looked up on the other, or meets few rows there."""
    few = join.single or not scans(join.left) or not scans(join.right)
    return few or bool(links(join.on, names(join.left), names(join.right)))


def chain_conditions(plan: Plan) -> Iterator[exp.Expr]:
    """The conditions of the inner joins at the top of a plan."""
    for join in inner_joins(plan):
        yield from conjuncts(join.on)


def chain_items(plan: Plan) -> Iterator[Plan]:
    """What the inner joins at the top of a plan join, from left to right."""
    if isinstance(plan, Join) and is_inner(plan):
        yield from chain_items(plan.left)
        yield from chain_items(plan.right)
    else:
        yield plan


def is_connected(terms: Terms, left: Plan, right: Plan) -> bool:
    """Tell whether an equality connects two plans."""
    usable, _ = split(terms, names(left) | names(right))
    return bool(links(conjunction(usable), names(left), names(right)))


def is_few(plan: Plan) -> bool:
    """Tell whether a changed row of another plan meets few rows of this one without a look-up."""
    return at_most_one(plan) or not scans(plan)
