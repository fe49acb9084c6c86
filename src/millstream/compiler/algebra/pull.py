"""Take what a correlated subquery reads of the row outside up to its top, where a join with the outer rows computes it.

Conditions in WHERE become conditions of that join, and what the SELECT list computes with the outer row is computed after
it. What groups, ranks or limits rows cannot let a condition pass: it is computed for each value of a domain (depend.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from millstream.compiler.algebra.depend import depend, totals, without_repeats
from millstream.compiler.algebra.domain import Domain, Keys, Outer, Unreplaced
from millstream.compiler.algebra.expression import (
    column,
    conjunction,
    conjuncts,
    not_null,
    plain,
    references,
    substitute,
)
from millstream.compiler.algebra.free import free, reads
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    Unnest,
    Window,
    names,
)
from millstream.compiler.algebra.raised import as_now
from millstream.compiler.algebra.same import agree, equated, interchangeable


@dataclass(frozen=True)
class Pulled:
    """A plan that reads nothing of the outer row, the conditions that tie it to one, and what is computed after the join.

    `values` are columns of the original as expressions over the plan's and the outer columns. `sole` says that the
    original has one row for every outer row; where the plan has none for it, its columns are NULL.
    """

    plan: Plan
    terms: tuple[exp.Expr, ...] = ()
    values: Mapping[str, exp.Expr] = field(default_factory=dict)
    sole: bool = False


def pull(plan: Plan, outer: Outer) -> Pulled:
    """Take conditions and computed columns that read the outer row up to the top of a plan."""
    if not free(plan) & outer.names:
        return Pulled(plan)
    if isinstance(plan, Aggregate) and not plan.keys:
        return pull_total(plan, outer)
    if isinstance(plan, Project):
        return pull_project(plan, outer)
    found = None
    if isinstance(plan, Filter):
        found = pull_filter(plan, outer)
    elif isinstance(plan, Join) and plan.kind != "full" and not plan.nearest:
        found = pull_join(plan, outer)
    elif isinstance(plan, Window):
        found = pull_window(plan, outer)
    elif isinstance(plan, (TimeFilter, Unnest, Lateral, UdfProject)) and not reads(plan) & outer.names:
        below = pull(plan.input, outer)
        found = None if below.sole or below.values else replace(below, plan=replace(plan, input=below.plan))
    return found or by_value(plan, outer)


def by_value(plan: Plan, outer: Outer) -> Pulled:
    """A plan computed for each value of what it reads of the outer row, tied to it by these values."""

    def computed(domain: Domain) -> Pulled:
        rows, keys = depend(plan, domain)
        return Pulled(rows, tied(keys, domain, outer))

    return by_values(plan, outer, computed)


def by_values(plan: Plan, outer: Outer, computed: Callable[[Domain], Pulled]) -> Pulled:
    """Compute with no values if the plan's own columns can take their place, else with those that the outer rows have."""
    wanted = free(plan) & outer.names
    try:
        return computed(outer.replacement(wanted))
    except Unreplaced:
        return computed(outer.domain(wanted))


def tied(keys: Keys, domain: Domain, outer: Outer) -> tuple[exp.Expr, ...]:
    """The conditions that an outer row has the values of a domain."""
    pairs = {name: (keys[name], outer.attribute(name)) for name in sorted(domain.keys)}
    stored = [pair for name, pair in pairs.items() if name not in outer.computed]
    return tuple(agree(stored, [pair for name, pair in pairs.items() if name in outer.computed]))


def pull_total(plan: Aggregate, outer: Outer) -> Pulled:
    """One row for every outer row: a group for those that have rows, and NULL or a count of 0 for others."""

    def computed(domain: Domain) -> Pulled:
        grouped, keys, values = totals(plan, domain)
        return Pulled(grouped, tied(keys, domain, outer), values, sole=True)

    return by_values(plan, outer, computed)


def pull_filter(plan: Filter, outer: Outer) -> Pulled | None:
    """A condition that reads the outer row becomes a condition of the join."""
    below = pull(plan.input, outer)
    if below.sole:
        return None
    terms = conjuncts(substitute(plan.predicate, below.values))
    linked = [term for term in terms if references(term) & outer.names]
    predicate = conjunction([term for term in terms if term not in linked])
    rows = Filter(below.plan, predicate) if predicate is not None else below.plan
    return replace(below, plan=rows, terms=(*below.terms, *linked))


def pull_project(plan: Project, outer: Outer) -> Pulled:
    """What reads the outer row is computed after the join; what that and the conditions need is passed on."""
    below = pull(plan.input, outer)
    items = {attribute: substitute(expression, below.values) for attribute, expression in plan.items}
    if below.sole:
        return replace(below, values={attribute.name: value for attribute, value in items.items()})
    later = {a.name: e for a, e in items.items() if references(e) & outer.names}
    kept = as_now(((a, e) for a, e in items.items() if a.name not in later), below.plan)
    needed = frozenset().union(*(references(e) for e in (*below.terms, *later.values()))) & names(below.plan)
    passed = {plain(e): a.name for a, e in reversed(kept) if plain(e) is not None}
    more = [(a, column(a)) for a in below.plan.columns if a.name in needed and a.name not in passed]
    by = {name: column(label) for name, label in passed.items() if name is not None}
    return Pulled(
        Project(below.plan, (*kept, *more)),
        tuple(substitute(term, by) for term in below.terms),
        {name: substitute(value, by) for name, value in later.items()},
    )


def pull_window(plan: Window, outer: Outer) -> Pulled | None:
    """Ranks that do not depend on what is computed after the join: apart for each value of the columns that tie it."""
    below = pull(plan.input, outer)
    known = {attribute.name: attribute for attribute in below.plan.columns}
    equal = equated(below.terms, outer.names, frozenset(known))
    links = [plain(own) or "" for own, _ in equal.values()]
    ranked = replace(plan, input=below.plan, ties=())
    if below.sole or not below.values or reads(ranked) & set(below.values):
        return None
    if len(links) < len(below.terms) or not set(links) <= set(known):
        return None
    tests = [not_null(column(name)) for name in dict.fromkeys(links) if known[name].nullable]
    rows = Filter(below.plan, exp.and_(*tests, copy=False)) if tests else below.plan
    partition = without_repeats((*(a for a in rows.columns if a.name in links), *plan.partition))
    ties = [
        part for tie in plan.ties for part in sorted(references(substitute(tie, below.values)) & set(known))
    ]
    apart = {attribute.name for attribute in partition}
    more = tuple(column(name) for name in dict.fromkeys(ties) if name not in apart)
    return replace(below, plan=replace(ranked, input=rows, partition=partition, ties=more))


def pull_join(plan: Join, outer: Outer) -> Pulled | None:
    """Conditions of the left side, and of both sides of an inner join, are conditions of the whole.

    Where the left side equates an outer column with one of its own, that stands for it in what the join itself and the
    right side compare: it holds for the rows that stay.
    """
    left, right = rows_of(plan.left, outer), rows_of(plan.right, outer)
    own = {a.name: a for a in left.plan.columns}
    by = {
        name: expression
        for name, (expression, _) in equated(left.terms, outer.names, frozenset(own)).items()
        if interchangeable(outer.attribute(name), own.get(plain(expression) or ""))
    }
    on = [substitute(term, left.values) for term in conjuncts(plan.on)]
    on += right.terms
    inner = plan.kind == "inner" and not plan.process_time
    if inner:
        on = [substitute(term, right.values) for term in on]
    elif right.values:
        return None
    on = [substitute(term, by) for term in on]
    linked = [term for term in on if references(term) & outer.names]
    if linked and not inner:
        return None
    on = [term for term in on if term not in linked]
    single = plan.single and not right.terms
    rows = replace(plan, left=left.plan, right=right.plan, on=conjunction(on), single=single)
    shown = right.values if inner else {}
    return Pulled(rows, (*left.terms, *linked), {**left.values, **shown})


def rows_of(plan: Plan, outer: Outer) -> Pulled:
    """A side of a join; one row for every outer row must be there as a row."""
    found = pull(plan, outer)
    return by_value(plan, outer) if found.sole else found
