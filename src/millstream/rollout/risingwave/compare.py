"""Why a definition is not what runs: asked by the plan and by every deployment alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millstream.errors import Refused
from millstream.rollout.project.definition import Definition
from millstream.rollout.project.plan import PlanDifference
from millstream.rollout.risingwave.deployed import DeployedObject
from millstream.rollout.risingwave.inventory import QUERIES, Inventory
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.shape import shape_of
from millstream.rollout.risingwave.stamp import Stamp, definition_hash


def hash_of(wanted: Definition) -> str:
    """The hash of a definition, as its stamp has it."""
    options: Mapping[str, Any] = {}
    if wanted.kind in QUERIES:
        options = {name: wanted.options[name] for name in ("indexes", "change_feed")}
    return definition_hash(wanted.kind, wanted.text, options)


def reads_of(wanted: Definition, there: Inventory) -> dict[str, int]:
    """The build of each view that a definition would read now."""
    objects = there.objects
    return {
        key: objects[key].version for key in wanted.reads if key in objects and objects[key].kind in QUERIES
    }


def stamp_of(wanted: Definition, there: Inventory, version: int) -> Stamp:
    """The stamp of a build of a definition."""
    if wanted.kind in ("table", "source"):
        shape = shape_of(wanted.text)
        return Stamp(version, hash_of(wanted), {}, shape.columns, shape.rest)
    return Stamp(version, hash_of(wanted), reads_of(wanted, there))


def reason_to_build(wanted: Definition, there: Inventory, *, full_refresh: bool = False) -> str:
    """Why a view, sink or subscription must be built, in words; empty if it must not."""
    current = there.objects.get(wanted.key)
    if current is None:
        return "new"
    if current.kind != wanted.kind:
        return f"was a {current.kind}"
    if current.stamp is None:
        return "it was deployed by something else, or its deployment was cut off"
    if full_refresh:
        return "full refresh"
    if current.stamp.definition != hash_of(wanted):
        return "its definition changed"
    for name, version in reads_of(wanted, there).items():
        if current.stamp.reads.get(name) != version:
            return f"it read an older {name}"
    return ""


def added_columns(wanted: Definition, current: DeployedObject, there: Inventory) -> tuple[str, ...]:
    """The columns that a table gains. Raises Refused where its declaration changed by more than that.

    A table that has no stamp is taken over if its columns begin with those that are declared.
    """
    shape = shape_of(wanted.text)
    added: tuple[str, ...] | None = None
    if current.kind == wanted.kind and current.stamp is None:
        added = () if there.columns(current)[: len(shape.names)] == shape.names else None
    elif current.kind == wanted.kind == "table" and current.stamp is not None:
        added = shape.added(current.stamp)
    if added is None:
        raise refused("MS103", wanted.path, name=wanted.key, model=wanted.name)
    return added


def difference(wanted: Definition, current: DeployedObject, there: Inventory) -> PlanDifference:
    """What a plan says of a definition and of what runs under its name."""
    if (wanted.kind, current.kind) == ("rows", "table"):
        return PlanDifference()
    if wanted.kind != current.kind and not {wanted.kind, current.kind} <= set(QUERIES):
        return PlanDifference(f"is deployed as a {current.kind}", remedy="drop it, or choose another name")
    try:
        if wanted.kind in ("table", "source"):
            return table_difference(wanted, current, there)
        if wanted.kind == "function":
            check_function(wanted, current.stamp)
            return PlanDifference()
    except Refused as error:
        return PlanDifference(error.diagnostic.construct, remedy=error.diagnostic.hint)
    return PlanDifference(reason_to_build(wanted, there))


def table_difference(wanted: Definition, current: DeployedObject, there: Inventory) -> PlanDifference:
    """Columns that a table gains, or that it is written otherwise."""
    if current.stamp is not None and current.stamp.definition == hash_of(wanted):
        return PlanDifference()
    added = added_columns(wanted, current, there)
    if added:
        return PlanDifference(f"gains {', '.join(added)}", readers=False)
    return PlanDifference("its declaration is written otherwise", readers=False)


def check_function(wanted: Definition, stamp: Stamp | None) -> None:
    """Raises Refused where a function that is there is not the one that is wanted."""
    if stamp is None or stamp.definition != hash_of(wanted):
        config = wanted.options["node"]["config"]
        raise refused("MS104", wanted.path, model=wanted.name, link=config.get("link"))
