"""Compare what a project wants with what runs; no database is touched here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from millstream.rollout.project.definition import Definition

ACTIONS = ("create", "change", "rebuild", "drop", "refuse", "keep", "unchanged")
VERSION = re.compile(r"_v(\d+)$")
Say = Callable[[str], None]  # takes a line of progress
HELD = ("table", "source", "rows")  # what holds rows that came from outside


@dataclass(frozen=True)
class Running:
    """What runs under a name. `detail` is the target's own: the catalogue entry, or a stamp."""

    key: str
    kind: str
    detail: Any = None


@dataclass(frozen=True)
class PlanDifference:
    """Why a definition is not what runs (empty if it is). `readers` says that what reads it must be built again.

    `remedy` is set where it cannot be applied.
    """

    reason: str = ""
    readers: bool = True
    remedy: str = ""


@dataclass(frozen=True)
class PlannedStep:
    """What a deploy does with one object: one of ACTIONS, and why."""

    name: str
    kind: str
    action: str
    reason: str = ""


@dataclass(frozen=True)
class Called:
    """A version of a Python function, and the models that call it."""

    name: str
    version: int | None
    called_by: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps in the order in which they are taken. `undoes` says which deployment they take back, if they do."""

    target: str
    steps: tuple[PlannedStep, ...]
    functions: tuple[Called, ...] = ()
    undoes: str = ""

    def of(self, *actions: str) -> list[PlannedStep]:
        """The steps of these actions."""
        return [step for step in self.steps if step.action in actions]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.of("create", "change", "rebuild", "drop"))

    def as_json(self) -> dict[str, Any]:
        """For machines; the keys are documented in docs/howto/deploy.md."""
        return {
            "target": self.target,
            **({"undoes": self.undoes} if self.undoes else {}),
            "changes": self.changes,
            "counts": {action: len(self.of(action)) for action in ACTIONS},
            "steps": [asdict(step) for step in self.steps],
            "functions": [asdict(function) for function in self.functions],
        }


def make_plan(
    target: str,
    wanted: Sequence[Definition],
    running: Mapping[str, Running],
    compare: Callable[[Definition, Running], PlanDifference],
    rebuilt: Collection[str],
    transparent: Collection[str] = (),
) -> Plan:
    """Decide for every object. `wanted` is in dependency order.

    Kinds in `rebuilt` are built again when something that they read is; kinds in `transparent` are not, but what reads
    them is.
    """
    steps: list[PlannedStep] = []
    stale: dict[str, str] = {}  # what readers must be built again for, and the change at its root

    def decide(each: Definition) -> PlannedStep:
        current = running.get(each.key)
        if current is None:
            return PlannedStep(each.key, each.kind, "create", "new")
        difference = compare(each, current)
        if difference.remedy:
            return PlannedStep(each.key, each.kind, "refuse", f"{difference.reason}: {difference.remedy}")
        if difference.reason:
            if difference.readers:
                stale[each.key] = each.key
            return PlannedStep(each.key, each.kind, "change", difference.reason)
        causes = [key for key in each.reads if key in stale]
        if causes and each.kind in (*rebuilt, *transparent):
            stale[each.key] = stale[causes[0]]
        if causes and each.kind in rebuilt:
            root = stale[causes[0]]
            through = "" if root == causes[0] else f", because {root} changes"
            return PlannedStep(each.key, each.kind, "rebuild", f"reads {', '.join(causes)}{through}")
        return PlannedStep(each.key, each.kind, "unchanged")

    for each in wanted:
        steps.append(decide(each))
    listed = {each.key for each in wanted}
    for key, current in reversed(list(running.items())):
        if key not in listed and current.kind in HELD:
            steps.append(
                PlannedStep(key, current.kind, "keep", "left the project, but it holds rows from outside")
            )
        elif key not in listed:
            steps.append(PlannedStep(key, current.kind, "drop", "left the project"))
    return Plan(target, tuple(steps), calls(wanted))


def calls(wanted: Sequence[Definition]) -> tuple[Called, ...]:
    """The functions of a project and who calls them."""
    return tuple(
        Called(
            each.key,
            int(found[1]) if (found := VERSION.search(each.name)) else None,
            tuple(other.key for other in wanted if each.key in other.reads),
        )
        for each in wanted
        if each.kind == "function"
    )
