"""Choose the change rule by which a node keeps its plan, and the keys that the rule needs stored."""

from __future__ import annotations

from dataclasses import replace

from millstream.compiler.algebra.expression import OWN, Attribute, Names, column, equalities, plain
from millstream.compiler.algebra.lineage import carry
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Plan,
    Project,
    Scan,
    UdfProject,
    Window,
    names,
    scans,
    walk,
)
from millstream.compiler.incremental.node import HASH, TURN, Node, Rule, is_on_act, passive_leaves
from millstream.compiler.incremental.shapes import driver_of, invertible, is_exact
from millstream.diagnostics import refuse
from millstream.errors import Refused

Outputs = tuple[tuple[str, Attribute], ...]  # (stored column, attribute)


def make_node(name: str, plan: Plan, outputs: Outputs, labels: Names, path: str | None) -> Node:
    """The node that keeps a plan, by the rule that fits it. Raises Refused for acts without a driver."""
    if is_on_act(plan):
        return on_act_node(name, plan, outputs, labels, path)
    if is_exact(plan):
        joins = any(isinstance(operator, Join) for operator in walk(plan))
        return Node(name, plan, outputs, Rule.BILINEAR if joins else Rule.LINEAR)
    return keyed_node(name, plan, outputs, labels)


def keyed_node(name: str, plan: Plan, outputs: Outputs, labels: Names) -> Node:
    """Key a plan by what its topmost aggregation or window groups by; merge what can be, recompute the rest."""
    shown = {attribute.name: stored for stored, attribute in outputs}
    top = plan
    rowwise = True
    while not isinstance(top, (Aggregate, Window)):
        rowwise &= isinstance(top, (Filter, Project))
        top = top.input  # type: ignore[union-attr]
    keys = top.keys if isinstance(top, Aggregate) else top.partition
    plan, carried = carry_up(plan, top, keys, labels)
    outputs, stored = with_keys(outputs, shown, carried)
    hidden = hidden_keys(stored)
    unique = isinstance(top, Aggregate) and rowwise
    if isinstance(top, Aggregate) and rowwise and invertible(top) and is_exact(top.input):
        outputs = with_hidden_groups(outputs, carried, keys)
        return Node(name, plan, outputs, Rule.INVERTIBLE, stored, unique=True, hidden=hidden)
    return Node(name, plan, outputs, Rule.RECOMPUTE, stored, unique=unique, hidden=hidden)


def on_act_node(name: str, plan: Plan, outputs: Outputs, labels: Names, path: str | None) -> Node:
    """Key an on-act plan by its driver's key; by the turns of equal rows where the driver is a bag."""
    driver = driver_of(plan)
    if driver is None:
        raise without_driver(plan, path)
    bag = driver.key == (HASH,)
    carried = []
    for stored in (HASH, TURN) if bag else driver.key:
        try:
            plan, attribute = carry(plan, driver, stored, labels)
        except LookupError as error:
            raise without_driver(plan, path) from error
        carried.append(attribute)
    shown = {attribute.name: stored for stored, attribute in outputs}
    outputs, keys = with_keys(outputs, shown, tuple(carried))
    unique = not bag and one_row_per(plan, tuple(carried))
    return Node(name, plan, outputs, Rule.ON_ACT, keys, unique, takes_turns=bag, hidden=hidden_keys(keys))


def without_driver(plan: Plan, path: str | None) -> Refused:
    """The refusal of an on-act plan without a single keyed driver."""
    passive = passive_leaves(plan)
    read = sorted({s.relation.name for s in scans(plan) if s.instance not in passive})
    return refuse("MS017", None, " and ".join(read) or "constant", path)


def carry_up(
    plan: Plan, top: Aggregate | Window, keys: tuple[Attribute, ...], labels: Names
) -> tuple[Plan, tuple[Attribute, ...]]:
    """Pass the keys of a keyed operator on through the row-wise operators above it."""
    if plan is top:
        return plan, keys
    below, carried = carry_up(plan.input, top, keys, labels)  # type: ignore[union-attr]
    plan = replace(plan, input=below)  # type: ignore[arg-type]
    if not isinstance(plan, Project):
        return plan, carried
    passed: list[Attribute] = []
    items = list(plan.items)
    for key in carried:
        known = next((a for a, e in items if plain(e) == key.name), None)
        if known is None:
            known = Attribute(labels.fresh("key"), key.type, key.nullable)
            items.append((known, column(key)))
        passed.append(known)
    return replace(plan, items=tuple(items)), tuple(passed)


def with_keys(
    outputs: tuple[tuple[str, Attribute], ...], shown: dict[str, str], keys: tuple[Attribute, ...]
) -> tuple[tuple[tuple[str, Attribute], ...], tuple[str, ...]]:
    """Store the keys: as the output that copies them, or in hidden columns k1$, k2$, …"""
    stored: list[str] = []
    extra: list[tuple[str, Attribute]] = []
    for key in keys:
        if key.name in shown:
            stored.append(shown[key.name])
        else:
            extra.append((f"k{len(extra) + 1}{OWN}", key))
            stored.append(extra[-1][0])
    return (*outputs, *extra), tuple(stored)


def hidden_keys(stored: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that no output copies."""
    return tuple(name for name in stored if name.endswith(OWN))


def with_hidden_groups(
    outputs: tuple[tuple[str, Attribute], ...], carried: tuple[Attribute, ...], keys: tuple[Attribute, ...]
) -> tuple[tuple[str, Attribute], ...]:
    """Say that a stored key may be NULL where a group's may: groups that a filter above hides are stored too."""
    null = {
        passed.name for passed, key in zip(carried, keys, strict=True) if key.nullable
    }  # what a filter tells of them holds for the visible rows only
    return tuple((stored, replace(a, nullable=a.nullable or a.name in null)) for stored, a in outputs)


def one_row_per(plan: Plan, keys: tuple[Attribute, ...]) -> bool:
    """Tell whether an on-act plan gives at most one row for a key."""
    wanted = {key.name for key in keys}
    while True:
        if isinstance(plan, Aggregate):
            return {key.name for key in plan.keys} <= wanted
        if isinstance(plan, Project):
            sources = {a.name: plain(e) for a, e in plan.items}
            wanted = {s for name in wanted if (s := sources.get(name)) is not None}
            plan = plan.input
        elif isinstance(plan, (Filter, UdfProject)):
            plan = plan.input
        elif isinstance(plan, Scan):
            return True
        elif isinstance(plan, Join) and plan.process_time and matches_one(plan):
            plan = plan.left
        else:
            return False


def matches_one(join: Join) -> bool:
    """Tell whether a left row meets at most one right row: the equality covers the right side's key."""
    if not isinstance(join.right, Scan):
        return False
    stored = dict(zip((a.name for a in join.right.columns), join.right.names, strict=True))
    pinned = {stored.get(plain(b) or "") for _, b in equalities(join.on, names(join.left), names(join.right))}
    return bool(join.right.relation.key) and set(join.right.relation.key) <= pinned
