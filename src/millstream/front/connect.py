"""Put conditions to the rows that they read, and order inner joins so that an equality connects each of them.

`FROM a, b, c WHERE a.x = c.x AND c.y = b.y AND a.z > 1` becomes  σ_{z > 1}(a) ⋈ c ⋈ b, however it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front.scope import Context
from millstream.plan.expression import conjunction, conjuncts, links, plain, references
from millstream.plan.nodes import Filter, Join, Plan, Project, Unnest, names, scans
from millstream.plan.single import at_most_one

Terms = list[exp.Expr]


def connect(plan: Plan, terms: Terms, node: exp.Expr, context: Context) -> Plan:
    """Return σ_terms(plan) with the terms as low as they can go. Refuses inner joins that no equality connects."""
    if is_inner(plan):
        return ordered(plan, terms, node, context)
    if isinstance(plan, Join):
        return beside(plan, terms, node, context)
    if isinstance(plan, (Filter, Unnest)):
        own, rest = split(terms, names(plan.input))
        return keep(replace(plan, input=connect(plan.input, own, node, context)), rest)
    if isinstance(plan, Project) and (added := computed(plan)) is not None:
        own, rest = split(terms, names(plan.input) - added)
        return keep(replace(plan, input=connect(plan.input, own, node, context)), rest)
    return keep(plan, terms)


def beside(plan: Join, terms: Terms, node: exp.Expr, context: Context) -> Plan:
    """Put terms below or into a join that stays where it is: outer, nearest, or process-time."""
    own, rest = split(terms, names(plan.left)) if plan.kind != "full" else ([], terms)
    on = conjuncts(plan.on)
    if plan.process_time and plan.kind == "inner":
        matched, rest = split(rest, names(plan))
        on = [*on, *matched]
    inside: Terms = []
    if is_inner(plan.right) and plan.kind != "full":
        inside, on = split(on, names(plan.right))
    if plan.single:
        context.note_beside(plan.right.columns, node)
    left = connect(plan.left, own, node, context)
    right = connect(plan.right, inside, node, context)
    return keep(replace(plan, left=left, right=right, on=conjunction(on)), rest)


def split(terms: Terms, known: frozenset[str]) -> tuple[Terms, Terms]:
    """The terms that read some of these columns and no others, and the rest."""
    own = [term for term in terms if references(term) and references(term) <= known]
    return own, [term for term in terms if term not in own]


def keep(plan: Plan, terms: Terms) -> Plan:
    """Filter by terms, if there are any."""
    predicate = conjunction(terms)
    return Filter(plan, predicate) if predicate is not None else plan


def computed(plan: Project) -> frozenset[str] | None:
    """The columns that a projection adds to all of its input's; None where it does not pass those on as they are."""
    passed = {a.name for a, e in plan.items if plain(e) == a.name}
    return frozenset(names(plan) - passed) if passed == names(plan.input) else None


def is_inner(plan: Plan) -> bool:
    """Tell whether a plan is a join that may change places with others."""
    return isinstance(plan, Join) and plan.kind == "inner" and not plan.process_time and not plan.nearest


def ordered(plan: Plan, terms: Terms, node: exp.Expr, context: Context) -> Plan:
    """Join the items of a chain one by one: as written where an equality connects the next one, else the first that one
    does. One-row items and constants come after those, and need no equality.
    """
    terms = [term for term in (*conditions(plan), *terms) if term != exp.true()]
    waiting: list[Plan] = []
    for item in items(plan):
        own, terms = split(terms, names(item))
        waiting.append(connect(item, own, node, context))
    joined = next((item for item in waiting if not is_few(item)), waiting[0])
    waiting.remove(joined)
    while waiting:
        chosen = next((item for item in waiting if is_connected(terms, joined, item)), None)
        if chosen is None:
            chosen = next((item for item in waiting if is_few(item)), None)
        if chosen is None:
            raise refuse("MS015", node, "", context.path)
        waiting.remove(chosen)
        on, terms = split(terms, names(joined) | names(chosen))
        loose = not links(conjunction(on), names(joined), names(chosen))
        if loose:
            context.note_beside(chosen.columns, node)
        joined = Join(joined, chosen, "inner", conjunction(on), single=loose and at_most_one(chosen))
    return keep(joined, terms)


def conditions(plan: Plan) -> Iterator[exp.Expr]:
    """The conditions of the inner joins at the top of a plan."""
    if isinstance(plan, Join) and is_inner(plan):
        yield from conjuncts(plan.on)
        yield from conditions(plan.left)
        yield from conditions(plan.right)


def items(plan: Plan) -> Iterator[Plan]:
    """What the inner joins at the top of a plan join, from left to right."""
    if isinstance(plan, Join) and is_inner(plan):
        yield from items(plan.left)
        yield from items(plan.right)
    else:
        yield plan


def is_connected(terms: Terms, left: Plan, right: Plan) -> bool:
    """Tell whether an equality connects two plans."""
    usable, _ = split(terms, names(left) | names(right))
    return bool(links(conjunction(usable), names(left), names(right)))


def is_few(plan: Plan) -> bool:
    """Tell whether a changed row of another plan meets few rows of this one without a look-up."""
    return at_most_one(plan) or not scans(plan)
