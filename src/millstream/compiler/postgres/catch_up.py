"""The terms that bring a node from the end of one tick to the end of a later one.

In a tick a relation changes while the terms run, so that each finds the images it needs stored:

    Δ(a ⋈ b) = Δa ⋈ old b + new a ⋈ Δb

A node that is caught up reads relations of which all have changed already. Where a term needs one as it was, it reads the
previous image: what is stored, with the changes undone. The inner nodes of the same build still change one by one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from millstream.compiler.algebra.operators import Plan, Scan, Side, inputs, with_inputs
from millstream.compiler.incremental.differentiate import BEFORE, Term
from millstream.compiler.postgres.rewrite import Position


def as_it_was(term: Term, changing: Scan, position: Position, outside: Collection[str]) -> Term:
    """A term of the changes of one scan, over the relations `outside`, which have all changed already.

    It reads as it was what comes later in the order of a tick, and what changes where the term runs before that.
    """
    place = position(changing.relation.name)

    def image(plan: Plan) -> Plan:
        if not isinstance(plan, Scan):
            return with_inputs(plan, tuple(image(child) for child in inputs(plan)))
        theirs = position(plan.relation.name)
        old = theirs > place or (theirs == place and term.moment == BEFORE)
        if plan.side is Side.STATE and plan.relation.name in outside and old:
            return replace(plan, side=Side.PREVIOUS)
        return plan

    return replace(term, plan=image(term.plan))
