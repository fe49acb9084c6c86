"""A process-time join of a union as a union of process-time joins.

    (a ⊎ b) ⋈ r  =  (a ⋈ r) ⊎ (b ⋈ r)

Below the union PostgreSQL is free to make the join where it has the fewest rows: once for a user instead of once for each
of the user's candidates.
"""

from __future__ import annotations

from dataclasses import replace

from millstream.compiler.algebra.copies import fresh_copy
from millstream.compiler.algebra.expression import Names, column, substitute
from millstream.compiler.algebra.operators import Join, Plan, Project, UnionAll, names


def distribute(join: Join, labels: Names) -> UnionAll:
    """Return the union of the branches' joins, with the columns of the join. Its left side must be a union."""
    union = join.left
    assert isinstance(union, UnionAll)
    return UnionAll(tuple(branch_join(join, union, branch, labels) for branch in union.inputs), join.columns)


def branch_join(join: Join, union: UnionAll, branch: Plan, labels: Names) -> Project:
    """Join one branch with a copy of the right side; the columns come in the order of the join's."""
    right, copied = fresh_copy(join.right, labels)
    own = dict(zip((a.name for a in union.columns), branch.columns, strict=True))
    by = {old: column(new) for old, new in {**own, **copied}.items()}
    on = substitute(join.on, by) if join.on is not None else None
    joined = replace(join, left=branch, right=right, on=on)
    here = {a.name: a for a in joined.columns}
    left, beside = names(union), names(join.right)
    source = {name: own[name].name for name in left} | {name: copied[name].name for name in beside}
    return Project(
        joined,
        tuple(
            (
                replace(here[source[a.name]], name=labels.fresh(a.label)),
                column(source[a.name]),
            )
            for a in join.columns
        ),
    )
