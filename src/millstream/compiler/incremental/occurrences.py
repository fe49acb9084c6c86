"""Several occurrences of one relation in a plan: in which state each occurrence that changes meets the others.

All occurrences of a relation change at one moment of a tick, so a term can read the others as they were before that
moment or as they are after it. Taken one after the other, from left to right, their changes add up:

    Δ(r ⋈ r) = Δr ⋈ old r + new r ⋈ Δr        Δ(p ⊎ q) = Δp ⊎ Δq

What an occurrence meets is decided by the join above it: rows of two branches of a union never meet.
"""

from __future__ import annotations

from collections.abc import Iterator

from millstream.compiler.algebra.operators import Join, Plan, Scan, UnionAll, scans, walk
from millstream.compiler.incremental.differentiate import AFTER, BEFORE


def moment(plan: Plan, instance: int) -> str:
    """When the changes of one occurrence are joined: after the relation changed where it meets an earlier occurrence."""
    return AFTER if any(later.instance == instance for _, later in meetings(plan)) else BEFORE


def meetings(plan: Plan) -> Iterator[tuple[Scan, Scan]]:
    """The pairs of occurrences of one relation whose rows are joined, each pair from left to right."""
    for join in walk(plan):
        if isinstance(join, Join):
            right = scans(join.right)
            yield from ((a, b) for a in scans(join.left) for b in right if a.relation == b.relation)


def is_crowded(plan: Plan) -> bool:
    """Tell whether an occurrence would have to meet others in two states at once.

    So does the second of three in a join. And one on the right of an outer, semi or anti join, whose old results are
    taken out before its relation changes and whose new ones are put in after.
    """
    met = list(meetings(plan))
    first, last = {a.instance for a, _ in met}, {b.instance for _, b in met}
    return bool(first & last or (first | last) & replaced(plan))


def replaced(plan: Plan) -> frozenset[int]:
    """The scans whose changes replace results of other rows: those right of an outer, semi, anti or nearest join."""
    return frozenset(
        scan.instance
        for join in walk(plan)
        if isinstance(join, Join) and (join.kind != "inner" or join.nearest)
        for scan in scans(join.right)
    )


def is_spread(plan: Plan) -> bool:
    """Tell whether a plan is a union of outer joins, as a full join is, so that its readers had better read it stored."""
    return any(isinstance(union, UnionAll) and replaced(union) for union in walk(plan))
