"""A node: a plan whose result is stored and kept by one rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from millstream.compiler.algebra.expression import OWN, Attribute
from millstream.compiler.algebra.operators import (
    Aggregate,
    Join,
    Plan,
    Relation,
    Scan,
    TimeFilter,
    UdfProject,
    scans,
    walk,
)
from millstream.compiler.algebra.single import at_most_one

HASH = f"h{OWN}"  # hash of a row, where rows are a bag
KEY_HASH = f"kh{OWN}"  # hash of the key, where a key column may be NULL
GUARD = f"visible{OWN}"  # false for a group that HAVING hides
TURN = f"turn{OWN}"  # which of several equal rows of a bag a result is of, in the order in which they came


class Rule(Enum):
    """How changes reach the stored rows."""

    LINEAR = "linear"  # the change is computed from the changes below, exactly: filters, projections, unions
    BILINEAR = "bilinear"  # the same of joins, for each side with the other
    INVERTIBLE = "invertible"  # the counts and sums of an aggregation are merged
    RECOMPUTE = "recompute"  # the affected keys are computed again and compared
    ON_ACT = "on act"  # a row's results are computed when it comes, and go when it goes


@dataclass(frozen=True)
class Node:
    """One stored result. `outputs` are (stored column, attribute); `keys` name stored columns.

    `keys` are the recomputed keys (recompute), the group (invertible), the driver's row whose results these are (on act),
    or empty (linear, bilinear). `unique` says that a key has one row. An on-act node is evaluated when its driver's rows
    change and at no other time; where the driver is a bag, equal rows take turns, and a key is a row's hash and its turn.
    `hidden` are the outputs that are stored for the sake of a key alone.
    """

    name: str
    plan: Plan
    outputs: tuple[tuple[str, Attribute], ...]
    rule: Rule
    keys: tuple[str, ...] = ()
    unique: bool = False
    takes_turns: bool = False
    hidden: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the terms of the leaves' changes are the node's changes, as they are."""
        return self.rule in (Rule.LINEAR, Rule.BILINEAR)

    @property
    def on_act(self) -> bool:
        """Whether it is evaluated when its driver's rows change and at no other time."""
        return self.rule is Rule.ON_ACT

    @property
    def computes_keys(self) -> bool:
        """Whether the rows of affected keys are computed again, and compared with the stored ones."""
        return self.rule is Rule.RECOMPUTE or (self.on_act and not self.takes_turns)

    @property
    def visible(self) -> tuple[str, ...]:
        """The stored columns that readers see."""
        return tuple(name for name, _ in self.outputs if name not in self.hidden)

    @property
    def nullable_key(self) -> bool:
        """Whether lookups by key must go through the key's hash."""
        found = dict(self.outputs)
        return any(found[name].nullable for name in self.keys)

    @property
    def aggregate(self) -> Aggregate:
        """The aggregation of an invertible node, below its projections and filters."""
        plan = self.plan
        while not isinstance(plan, Aggregate):
            plan = plan.input  # type: ignore[union-attr]
        return plan

    @property
    def udf(self) -> UdfProject | None:
        """The operator that calls Python functions, if the node has one."""
        return next((p for p in walk(self.plan) if isinstance(p, UdfProject)), None)

    @property
    def leaves(self) -> tuple[Scan, ...]:
        """The scans whose changes reach this node."""
        passive = passive_leaves(self.plan)
        return tuple(scan for scan in scans(self.plan) if scan.instance not in passive)

    @property
    def looked_up(self) -> tuple[Scan, ...]:
        """The scans that are only read, as of the previous tick."""
        passive = passive_leaves(self.plan)
        return tuple(scan for scan in scans(self.plan) if scan.instance in passive)

    @property
    def timed(self) -> bool:
        """Whether time alone can change the result."""
        return any(isinstance(p, TimeFilter) for p in walk(self.plan))

    @property
    def relation(self) -> Relation:
        """What readers of this node scan."""
        columns = tuple(
            (name, a.type or "", a.nullable) for name, a in self.outputs if name not in self.hidden
        )
        guard = GUARD if self.rule is Rule.INVERTIBLE and self.filtered else None
        key = self.keys if self.unique and not self.nullable_key and self.keys else (HASH,)
        if self.unique and (self.nullable_key or not self.keys):
            key = (KEY_HASH,)
        return Relation(self.name, columns, key, guard, at_most_one(self.plan))

    @property
    def filtered(self) -> bool:
        """Whether a filter stands between an aggregation and the result."""
        from millstream.compiler.algebra.operators import Filter

        plan = self.plan
        while not isinstance(plan, Aggregate) and hasattr(plan, "input"):
            if isinstance(plan, Filter):
                return True
            plan = plan.input
        return False


def passive_leaves(plan: Plan) -> frozenset[int]:
    """Return the scan instances on the right of process-time joins."""
    return frozenset(
        scan.instance
        for join in walk(plan)
        if isinstance(join, Join) and join.process_time
        for scan in scans(join.right)
    )


def is_on_act(plan: Plan) -> bool:
    """Tell whether a plan contains a process-time join or calls Python."""
    return any(isinstance(p, UdfProject) or (isinstance(p, Join) and p.process_time) for p in walk(plan))
