"""How a read reaches what is stored: which part of a key or an index each scan of a plan is fixed by, or none.

A read by a column fixes it to one value. As far as the value gets below the operators, a stored relation is read as a range of
its key. On the right of a join, a stored relation is looked up for each row where the equality gives its whole key, or the
column by which an index is spread; a subquery never is. Everything else is read whole.

What gets through what is RisingWave's: its planner's pushdown of predicates and its choice of lookup joins (3.0, from its source
and planner tests). It is a subset of PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import conjuncts, equalities, is_equality, plain, references
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Join,
    Plan,
    Project,
    Relation,
    Scan,
    UnionAll,
    Values,
    Window,
    inputs,
    names,
)

Indexes = Callable[[Relation], Sequence[Sequence[str]]]  # the columns of each index of a stored relation
Fixed = frozenset[str]  # the columns of a plan that have one value


@dataclass(frozen=True)
class Reach:
    """How a scan is reached: as a range, or looked up; `path` are the columns of the key or index, empty where by none.

    `offered` are the stored columns that had a value, of which an index would be a remedy.
    """

    scan: Scan
    how: str
    path: tuple[str, ...]
    offered: tuple[str, ...]


def reaches(plan: Plan, fixed: Fixed, indexes: Indexes) -> Iterator[Reach]:
    """Yield how each scan of a plan is reached, from left to right."""
    if isinstance(plan, Scan):
        yield ranged(plan, fixed, indexes)
    elif isinstance(plan, Join):
        yield from of_join(plan, fixed, indexes)
    elif isinstance(plan, UnionAll):
        for branch in plan.inputs:
            own = {b.name for a, b in zip(plan.columns, branch.columns, strict=True) if a.name in fixed}
            yield from reaches(branch, frozenset(own), indexes)
    elif not isinstance(plan, Values):
        [below] = inputs(plan)
        yield from reaches(below, through(plan, fixed), indexes)


def through(plan: Plan, fixed: Fixed) -> Fixed:
    """The columns that have one value below an operator of one input.

    A rank or an aggregate is of all rows of its group, so only what tells the groups apart gets below it.
    """
    if isinstance(plan, Filter):
        return fixed | constants(conjuncts(plan.predicate))
    if isinstance(plan, Project):
        return frozenset(
            source for a, e in plan.items if a.name in fixed and (source := plain(e)) is not None
        )
    if isinstance(plan, Aggregate):
        return fixed & {key.name for key in plan.keys}
    if isinstance(plan, Window):
        return fixed & {key.name for key in plan.partition}
    if isinstance(plan, First):
        return frozenset()
    return fixed & {name for below in inputs(plan) for name in names(below)}


def constants(terms: Sequence[exp.Expr]) -> Fixed:
    """The columns that conjuncts equate with a value that reads no column."""
    found = set()
    for term in terms:
        if isinstance(term, exp.EQ) and is_equality(term):
            sides = ((term.left, term.right), (term.right, term.left))
            found |= {plain(a) for a, b in sides if plain(a) is not None and not references(b)}
    return frozenset(name for name in found if name is not None)


def of_join(join: Join, fixed: Fixed, indexes: Indexes) -> Iterator[Reach]:
    """The left side by what is fixed there, the right side looked up, or by what the equality carries over.

    σ(a ⋈ b) = σ(a) ⋈ σ(b) where the equality has the column, but for a side of which rows without a partner stay.
    """
    left, right = fixed & names(join.left), frozenset[str]()
    pairs = [(plain(a), plain(b)) for a, b in equalities(join.on, names(join.left), names(join.right))]
    if join.kind in ("inner", "left", "semi") and not join.nearest:
        right = constants(conjuncts(join.on)) & names(join.right)
        if join.kind == "inner":
            right |= fixed & names(join.right)
        if join.kind != "left":
            left |= {a for a, b in pairs if a is not None and b in right}
        right |= {b for a, b in pairs if b is not None and a in left}
    elif join.kind == "full":
        left = frozenset()
    yield from reaches(join.left, left, indexes)
    stored = bare(join.right) if join.kind != "full" else None
    if stored is None:
        yield from reaches(join.right, right, indexes)
        return
    scan, columns = stored
    found = looked_up(scan, {columns[b] for _, b in pairs if b in columns}, indexes)
    if not found.path:
        [as_range] = reaches(join.right, right, indexes)
        found = as_range if as_range.path else found
    yield found


def bare(plan: Plan) -> tuple[Scan, dict[str, str]] | None:
    """The scan that a plan is, but for conditions and the choice of columns, and the stored column of each of its columns."""
    if isinstance(plan, Scan):
        return plan, {a.name: s for s, a in zip(plan.names, plan.columns, strict=True)}
    if not isinstance(plan, (Filter, Project)) or (below := bare(plan.input)) is None:
        return None
    if isinstance(plan, Filter):
        return below
    scan, columns = below
    if any(plain(e) is None and references(e) for _, e in plan.items):
        return None
    return scan, {a.name: columns[source] for a, e in plan.items if (source := plain(e)) is not None}


def ranged(scan: Scan, fixed: Fixed, indexes: Indexes) -> Reach:
    """A stored relation read as a range: of the key or index with the most leading columns that have a value.

    A relation of one row has nothing to skip.
    """
    given = {s for s, a in zip(scan.names, scan.columns, strict=True) if a.name in fixed}
    if scan.relation.single:
        return Reach(scan, "one row", tuple(scan.names[:1]), ())
    best = max(paths(scan.relation, indexes), key=lambda path: leading(path, given), default=())
    return Reach(scan, "range", best[: leading(best, given)], tuple(sorted(given)))


def looked_up(scan: Scan, given: set[str], indexes: Indexes) -> Reach:
    """A stored relation looked up by columns: by its whole key, or by an index of which they give the first column."""
    relation = scan.relation
    whole = [relation.key] if relation.key and set(relation.key) <= given else []
    spread = [tuple(index) for index in indexes(relation) if index[0] in given]
    best = max([*whole, *spread], key=lambda path: leading(path, given), default=())
    return Reach(scan, "lookup", best[: leading(best, given)], tuple(sorted(given)))


def paths(relation: Relation, indexes: Indexes) -> list[tuple[str, ...]]:
    """The key of a relation, where its columns are of the relation, and its indexes."""
    stored = {name for name, _, _ in relation.columns}
    key = [relation.key] if relation.key and set(relation.key) <= stored else []
    return [*key, *(tuple(index) for index in indexes(relation))]


def leading(path: Sequence[str], given: set[str]) -> int:
    """How many columns at the beginning of a key or index have a value."""
    return next((n for n, name in enumerate(path) if name not in given), len(path))
