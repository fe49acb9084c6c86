"""Compute a plan for each of the values of a domain, which become columns of its rows.

The domain is joined to what a predicate ties to it, and its columns go up from there: as keys of a group, as a partition.
Where every value of it is compared with a column of the plan itself, that column takes its place and nothing is joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.blocks import Read, gather, is_plain, joined, replaced, sunk
from millstream.compiler.algebra.copies import everywhere, substituted
from millstream.compiler.algebra.domain import Domain, Keys
from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    conjuncts,
    plain,
    references,
    substitute,
)
from millstream.compiler.algebra.free import free, reads
from millstream.compiler.algebra.operators import (
    ONE_ROW,
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Window,
    identity,
    inputs,
    scans,
    walk,
    with_inputs,
)
from millstream.compiler.algebra.raised import raised
from millstream.compiler.algebra.same import agree

ZERO = (exp.Count, exp.CountIf, exp.ApproxDistinct)  # other aggregates of no rows are NULL


def depend(plan: Plan, domain: Domain, read: Read = frozenset()) -> tuple[Plan, Keys]:
    """The rows of a plan for each value of a domain; returns the columns that have its keys and what is `read` above."""
    if not free(plan) & domain.names:
        return depend_nowhere(plan, domain)
    if not scans(plan) and not is_row_wise(plan):
        rows, keys = domain.copy()
        return Lateral(rows, everywhere(plan, key_columns(keys))), keys
    if isinstance(plan, Filter) or is_plain(plan):
        return depend_block(plan, domain, read)
    read |= reads(plan) & domain.names
    match plan:
        case Join():
            return depend_join(plan, domain, read)
        case Aggregate() if plan.keys:
            return depend_groups(plan, domain, read)
        case Aggregate():
            return depend_total(plan, domain, read)
        case UnionAll():
            return depend_union(plan, domain, read)
        case _:
            (below,) = inputs(plan)
            rows, keys = depend(below, domain, read)
            return depend_unary(plan, rows, keys, domain), keys


def depend_nowhere(plan: Plan, domain: Domain) -> tuple[Plan, Keys]:
    """A plan that reads nothing of the domain: all its rows for each value."""
    rows, keys = domain.copy()
    return (rows if plan == ONE_ROW else Join(rows, plan, "inner", None)), keys


def is_row_wise(plan: Plan) -> bool:
    """Tell whether a plan makes of one row what it makes of each of many, or does what only a whole view can."""
    parts = list(walk(plan))
    if any(isinstance(part, (TimeFilter, UdfProject)) for part in parts):
        return True
    return all(isinstance(part, (Filter, Project, Unnest, Lateral)) or part == ONE_ROW for part in parts)


def depend_unary(plan: Plan, rows: Plan, keys: Keys, domain: Domain) -> Plan:
    """An operator with one input, over the rows of its input for each value."""
    made = substituted(with_inputs(plan, (rows,)), key_columns(keys))
    if isinstance(made, Project):
        known = {attribute.name for attribute in made.columns}
        more = tuple((key, column(key)) for key in without_repeats(keys.values()) if key.name not in known)
        return replace(made, items=(*made.items, *more))
    if isinstance(made, Window):
        apart = tuple(keys[name] for name in sorted(domain.keys))
        partition = without_repeats((*apart, *made.partition))
        fixed = {attribute.name for attribute in partition}
        return replace(
            made, partition=partition, ties=tuple(t for t in made.ties if order_column(t) not in fixed)
        )
    assert isinstance(made, (TimeFilter, Unnest, Lateral, UdfProject))
    return made


def order_column(term: exp.Expr) -> str | None:
    """The column that a term of ORDER BY is; None where it is an expression."""
    return plain(term.this if isinstance(term, exp.Ordered) else term)


def key_columns(keys: Keys) -> dict[str, exp.Expr]:
    """The expressions that take the place of outer columns: the columns of a plan that have their values."""
    return {name: column(attribute) for name, attribute in keys.items()}


def without_repeats(attributes: Iterable[Attribute]) -> tuple[Attribute, ...]:
    """Attributes in their order, each once."""
    return tuple({attribute.name: attribute for attribute in attributes}.values())


def same_value(left: Keys, right: Keys, domain: Domain) -> list[exp.Expr]:
    """The conditions that two plans are computed for the same value."""
    return agree((left[name], right[name]) for name in sorted(domain.keys))


# ---- filters and inner joins ------------------------------------------------------------------------------------------


def depend_block(plan: Plan, domain: Domain, read: Read) -> tuple[Plan, Keys]:
    """Filters and inner joins: the domain is one more item of the join, if it is needed."""
    items, terms = gather(plan)
    items, terms = sunk(items, terms, domain)
    dependent = [item for item in items if free(item) & domain.names]
    if not dependent:
        found = replaced(items, terms, domain, read) if domain.replaceable else None
        if found is not None:
            return found
        rows, keys = domain.copy()
    else:
        wanted = read.union(*(references(term) for term in terms)) & domain.names
        rows, keys = depend(dependent[0], domain, wanted)
    rest = [item for item in items if item not in dependent[:1]]
    met: list[exp.Expr] = []
    others: list[Plan] = []
    for item in rest:
        if item in dependent:
            item, its = depend(item, domain)  # noqa: PLW2901
            met += same_value(keys, its, domain)
        others.append(item)
    by = key_columns(keys)
    return joined([rows, *others], [*(substitute(term, by) for term in terms), *met]), keys


# ---- other joins, groups, unions ----------------------------------------------------------------------------------------


def depend_join(plan: Join, domain: Domain, read: Read) -> tuple[Plan, Keys]:
    """A left, full, semi or anti join: the left side has the domain, and the right one if it reads it."""
    found = raised(plan.right, domain.names) if plan.kind != "full" and not plan.nearest else None
    right, terms = found or (plan.right, [])
    left, keys = depend(plan.left, domain, read.union(*(references(t) & domain.names for t in terms)))
    own, single = keys, plan.single and not terms
    met: list[exp.Expr] = []
    if found is None:
        right, own = depend(plan.right, domain, read)
        met = same_value(keys, own, domain)
        single = False
    by = key_columns(keys)
    on = conjunction([*(substitute(term, by) for term in (*conjuncts(plan.on), *terms)), *met])
    nearest = tuple(substitute(term, by) for term in plan.nearest)
    made = replace(plan, left=left, right=right, on=on, single=single, nearest=nearest)
    if plan.kind != "full":
        return made, keys
    both = {
        name: Attribute(domain.labels.fresh("outer"), key.type, key.nullable or own[name].nullable)
        for name, key in keys.items()
    }
    items = tuple(
        (both[name], exp.Coalesce(this=column(keys[name]), expressions=[column(own[name])])) for name in both
    )
    return Project(made, (*identity(made), *items)), both


def depend_groups(plan: Aggregate, domain: Domain, read: Read) -> tuple[Plan, Keys]:
    """An aggregation by keys: the values of the domain become keys beside them."""
    rows, keys = depend(plan.input, domain, read)
    kept = {name: key for name, key in keys.items() if name in domain.keys | read}
    by = key_columns(keys)
    items = tuple((attribute, substitute(call, by)) for attribute, call in plan.items)
    return replace(plan, input=rows, keys=without_repeats((*plan.keys, *kept.values())), items=items), kept


def depend_total(plan: Aggregate, domain: Domain, read: Read) -> tuple[Plan, Keys]:
    """An aggregation of everything: one row for each value, also for those that no row of the input has."""
    grouped, keys, empty = totals(plan, domain, read)
    rows, own = domain.copy()
    met = Join(rows, grouped, "left", conjunction(same_value(own, keys, domain)))
    items = tuple((attribute, empty[attribute.name]) for attribute in plan.columns)
    return Project(met, (*items, *((key, column(key)) for key in own.values()))), own


def totals(
    plan: Aggregate, domain: Domain, read: Read = frozenset()
) -> tuple[Aggregate, Keys, dict[str, exp.Expr]]:
    """An aggregation of everything as one group for each value that has rows.

    Returns it, its keys, and the columns of the aggregation for a value that may have none: NULL then, or a count of 0.
    """
    rows, keys = depend(plan.input, domain, read | reads(plan) & domain.names)
    kept = {name: key for name, key in keys.items() if name in domain.keys | read}
    by = key_columns(keys)
    items: list[tuple[Attribute, exp.Expr]] = []
    values: dict[str, exp.Expr] = {}
    for attribute, call in plan.items:
        inner = domain.labels.renamed(attribute)
        items.append((inner, substitute(call, by)))
        counts = isinstance(call.this if isinstance(call, exp.Filter) else call, ZERO)
        zero = exp.Coalesce(this=column(inner), expressions=[exp.Literal.number(0)])
        values[attribute.name] = zero if counts else column(inner)
    grouped = Aggregate(rows, without_repeats(kept.values()), tuple(items))
    return grouped, kept, values


def depend_union(plan: UnionAll, domain: Domain, read: Read) -> tuple[Plan, Keys]:
    """A union: every branch is computed for each value."""
    order = sorted(domain.keys | read)
    branches = []
    found: list[Keys] = []
    for branch in plan.inputs:
        rows, keys = depend(branch, domain, read)
        shown = ((attribute, column(attribute)) for attribute in branch.columns)
        items = [
            *shown,
            *(
                (Attribute(domain.labels.fresh("outer"), keys[n].type, keys[n].nullable), column(keys[n]))
                for n in order
            ),
        ]
        branches.append(Project(rows, tuple(items)))
        found.append(keys)
    above = {
        name: Attribute(
            domain.labels.fresh("outer"),
            found[0][name].type if len({keys[name].type for keys in found}) == 1 else None,
            any(keys[name].nullable for keys in found),
        )
        for name in order
    }
    return UnionAll(tuple(branches), (*plan.columns, *(above[name] for name in order))), above
