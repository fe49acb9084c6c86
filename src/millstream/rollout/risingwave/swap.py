"""A build takes the name of what it replaces, which has the build's name from then on."""

from __future__ import annotations

import os

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.deployed import DeployedObject
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import build_of, keyword, quoted
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.stamp import Stamp

ALLOW_EMPTY = "MILLSTREAM_ALLOW_EMPTY"


def next_version(there: Inventory, schema: str, name: str) -> int:
    """The number of the next build of a name; none is used twice while anything has it."""
    taken = [0]
    for each in there.objects.values():
        found = build_of(each.name)
        if each.schema == schema and (each.name == name or (found is not None and found[0] == name)):
            # What has no stamp counts as a first build: a deployment that was cut off made it.
            taken += [each.version or 1, found[1] if found is not None and found[0] == name else 0]
    return max(taken) + 1


def guard_swap(there: Inventory, wanted: Definition, built: str) -> None:
    """Raises Refused where a build without rows would replace one with rows; an environment variable lets it."""

    def has_rows(name: str) -> bool:
        full = there.full_name(wanted.schema, name)
        return bool(there.statements.ask(f"select 1 from {full} limit 1"))

    if os.environ.get(ALLOW_EMPTY):
        return
    if has_rows(wanted.name) and not has_rows(built):
        raise refused("MS105", wanted.path, model=wanted.name, built=there.full_name(wanted.schema, built))


def swap(there: Inventory, wanted: Definition, current: DeployedObject, built: str, stamp: Stamp) -> None:
    """Exchange the names of two views of one kind, or rename both, and write down which build has which name."""
    beside = f"{wanted.schema}.{built}"
    if current.kind == wanted.kind:
        exchange(there, wanted.kind, wanted.key, beside)
        old = beside
    else:
        old = f"{beside}_old"
        rename(there, current.kind, wanted.key, old)
        rename(there, wanted.kind, beside, wanted.key)
    marks = [registry.Mark(wanted.key, stamp)]
    if current.stamp is not None:
        marks.append(registry.Mark(old, current.stamp))
    there.mark(*marks)
    if old != beside or current.stamp is None:
        there.unmark(beside)


def exchange(there: Inventory, kind: str, one: str, other: str) -> None:
    """Let two objects of a kind have each other's name; the keys are `schema.name`."""
    schema, name = one.split(".", 1)
    second = there.full_name(schema, other.split(".", 1)[1])
    there.statements.send(f"alter {keyword(kind)} {there.full_name(schema, name)} swap with {second}")
    there.renamed(one, other)


def rename(there: Inventory, kind: str, key: str, to: str) -> None:
    """Give an object another name in its schema."""
    schema, name = key.split(".", 1)
    new = to.split(".", 1)[1]
    there.statements.send(
        f"alter {keyword(kind)} {there.full_name(schema, name)} rename to {quoted('', new)}"
    )
    there.renamed(key, to)
