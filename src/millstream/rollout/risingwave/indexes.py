"""Indexes of materialized views, made on a build before anybody reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.rollout.project.definition import Definition
from millstream.rollout.risingwave.inventory import Inventory


@dataclass(frozen=True)
class RisingWaveIndex:
    """Column lists as they are written: looked up by, stored with, and spread over the machines by."""

    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    distributed_by: tuple[str, ...] = ()

    def statement(self, name: str, relation: str) -> str:
        """The whole CREATE INDEX; `relation` is quoted."""
        parts = [f'create index "{name}" on {relation} ({", ".join(self.columns)})']
        if self.include:
            parts.append(f"include ({', '.join(self.include)})")
        if self.distributed_by:
            parts.append(f"distributed by ({', '.join(self.distributed_by)})")
        return " ".join(parts)


def indexes_of(wanted: Definition) -> list[RisingWaveIndex]:
    """The indexes of a model's configuration."""

    def listed(value: str | Sequence[str] | None) -> tuple[str, ...]:
        return (value,) if isinstance(value, str) else tuple(value or ())

    return [
        RisingWaveIndex(
            listed(each["columns"]), listed(each.get("include")), listed(each.get("distributed_by"))
        )
        for each in wanted.options["indexes"]
    ]


def create_indexes(there: Inventory, wanted: Definition, built: str, version: int) -> None:
    """Make the indexes of a build of that number, which is called `built`."""
    for index in indexes_of(wanted):
        name = free_name(there, wanted.schema, f"{wanted.name}_{version}_{'_'.join(index.columns)}_ix")
        there.statements.send(index.statement(name, there.full_name(wanted.schema, built)))
        there.created(wanted.schema, name, "index")


def free_name(there: Inventory, schema: str, name: str) -> str:
    """The name, or with a number behind it where something has it, as what a cut-off deployment left may have."""
    number, free = 1, name
    while f"{schema}.{free}" in there.objects:
        number += 1
        free = f"{name}_{number}"
    return free
