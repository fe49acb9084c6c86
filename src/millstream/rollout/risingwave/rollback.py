"""The way back: the builds that the last deploy replaced are still kept up to date, so names are exchanged."""

from __future__ import annotations

from millstream.rollout.project.plan import Plan, PlannedStep, Say
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.attached import take_over
from millstream.rollout.risingwave.deployed import DeployedObject
from millstream.rollout.risingwave.inventory import ATTACHED, QUERIES, Inventory
from millstream.rollout.risingwave.naming import build_of
from millstream.rollout.risingwave.profile import TARGET
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.swap import exchange


def plan_rollback(there: Inventory) -> Plan:
    """The builds that would be exchanged for the ones that they replaced. Raises Refused where there are none."""
    steps = [
        PlannedStep(each.key, each.kind, "change", f"version {each.version} gives way to {kept.version}")
        for each, kept in replaced(there)
    ]
    if not steps:
        raise refused("MS108")
    going = {step.name for step in steps}
    attached = [
        PlannedStep(each.key, each.kind, "rebuild", "reads what goes back")
        for each in there.objects.values()
        if each.kind in ATTACHED and each.stamp is not None and set(each.stamp.reads) & going
    ]
    return Plan(TARGET, (*steps, *attached), undoes="the deployment whose replaced builds are kept")


def replaced(there: Inventory) -> list[tuple[DeployedObject, DeployedObject]]:
    """Each view with the last build that it replaced, where that is still there."""
    found = []
    for each in there.objects.values():
        older = [
            other
            for other in there.objects.values()
            if other.kind == each.kind and other.is_build_of(each) and 0 < other.version < each.version
        ]
        if each.kind in QUERIES and older:
            found.append((each, max(older, key=lambda other: other.version)))
    return found


def roll_back(there: Inventory, plan: Plan, say: Say) -> None:
    """Do what was planned."""
    there.record()
    for each, kept in replaced(there):
        exchange(there, each.kind, each.key, kept.key)
        there.mark(registry.Mark(each.key, kept.stamp), registry.Mark(kept.key, each.stamp))
        say(f"restored {each.key}, version {kept.version}")
    for step in plan.of("rebuild"):
        restore_attached(there, there.objects[step.name])
        say(f"restored {step.name}")


def restore_attached(there: Inventory, each: DeployedObject) -> None:
    """Let a sink or subscription, as it was declared before, read what its view's name stands for now."""
    now = registry.Mark(each.key, each.stamp, each.statement)
    before = max(earlier_marks(there, each), key=version_of, default=now)
    take_over(there, each.kind, each.key, before.statement, each.version + 1)
    there.mark(registry.Mark(each.key, before.stamp, before.statement))


def earlier_marks(there: Inventory, each: DeployedObject) -> list[registry.Mark]:
    """What the registry has of the builds that a sink or subscription replaced, which are dropped by now."""
    found = []
    for key, mark in there.marks.items():
        schema, _, name = key.partition(".")
        build = build_of(name)
        is_its = build is not None and (schema, build[0]) == (each.schema, each.name)
        if key not in there.objects and is_its and 0 < version_of(mark) < each.version:
            found.append(mark)
    return found


def version_of(mark: registry.Mark) -> int:
    """The number of the build that a row of the registry is of."""
    return mark.stamp.version if mark.stamp is not None else 0
