"""The plan: what a deploy of the project would do there, by the same comparison that deploys."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.rollout.project.definition import Definition
from millstream.rollout.project.plan import Plan, PlanDifference, Running, make_plan
from millstream.rollout.risingwave import attached, function
from millstream.rollout.risingwave.compare import difference
from millstream.rollout.risingwave.inventory import ATTACHED, Inventory
from millstream.rollout.risingwave.naming import build_of
from millstream.rollout.risingwave.profile import TARGET
from millstream.rollout.risingwave.registry import FUNCTION

REBUILT = ("materialized_view", "view", "sink", "subscription")


def plan(there: Inventory, wanted: Sequence[Definition]) -> Plan:
    """What a deploy of these definitions would do."""
    asked = prepared(there, wanted)

    def compare(definition: Definition, current: Running) -> PlanDifference:
        return difference(definition, current.detail, there)

    return make_plan(TARGET, asked, running(there, asked), compare, REBUILT)


def prepared(there: Inventory, wanted: Sequence[Definition]) -> list[Definition]:
    """The definitions with their statements, and the change feeds of views behind them."""
    found: list[Definition] = []
    for each in wanted:
        if each.kind == "function":
            found.append(function.with_statement(each))
        elif each.kind in ATTACHED:
            found.append(attached.with_statement(there, each))
        else:
            found.append(each)
        if (feed := attached.feed_of(there, each)) is not None:
            found.append(feed)
    return found


def running(there: Inventory, wanted: Sequence[Definition]) -> dict[str, Running]:
    """What is deployed in the project's schemas: whatever has a name that is wanted, and what else has a stamp.

    Builds that were replaced are left out, and functions that the project does not have: nothing drops those.
    """
    listed, schemas = {each.key for each in wanted}, {each.schema for each in wanted}
    found = {}
    for key, each in there.objects.items():
        build = build_of(each.name)
        spare = build is not None and f"{each.schema}.{build[0]}" in there.objects
        if each.schema in schemas and (key in listed or (each.stamp is not None and not spare)):
            found[key] = Running(key, each.kind, each)
    for function_ in (each for each in wanted if each.kind == "function"):
        if function_.key in there.functions:
            mark = there.marks.get(FUNCTION + function_.key)
            found[function_.key] = Running(function_.key, "function", function.deployed(function_, mark))
    return found
