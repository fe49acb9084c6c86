"""Load a file into a relation that has one row a key: the catalogue, people, stock, and who a visitor is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from loaders.loading.catalogue import batched, give_stock
from loaders.loading.load import FLUSH_EVERY, STOCK
from loaders.mapping.mapped_log import MappedLog
from loaders.schema.relations import IDENTITIES, INVENTORY, ITEMS, USERS, SourceRelation
from loaders.schema.rows import Item, Rejected
from loaders.target.connection import WriterConnection, gone
from loaders.target.pace import Pace
from loaders.target.progress import progress_bars
from loaders.target.rejects import Rejects

TABLES: dict[str, SourceRelation] = {
    relation.name: relation for relation in (ITEMS, USERS, INVENTORY, IDENTITIES)
}
SUMMARIES = {
    ITEMS.name: "the catalogue, from a file whose columns are recognised or mapped",
    USERS.name: "people: segment and attributes.…, likewise",
    INVENTORY.name: "units on stock, likewise",
    IDENTITIES.name: "which person a visitor (anonymous_id) is, likewise",
}
NEEDED = {INVENTORY.name: ("quantity",), IDENTITIES.name: ("user_id",)}
"""Columns besides the key that a row must have."""


@dataclass
class LoadedTable:
    """What a load did: rows of the file, how many were new or different and so sent, how many were rejected."""

    relation: str
    read: int = 0
    sent: int = 0
    rejected: int = 0
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


def load_table(
    dsn: str,
    source: MappedLog,
    relation: SourceRelation,
    *,
    rejects: Rejects | None = None,
    stock: int = STOCK,
    flush_every: int = FLUSH_EVERY,
    show_progress: bool = True,
) -> LoadedTable:
    """Upsert the rows of a file that are new or different, and return when every view shows them.

    A column that the mapping does not name, or that a row has no value for, keeps what is stored. A new item without a
    name is called by its id, is active, and gets `stock` units if it has no stock row. Of two rows with one key the
    later one counts.

    Raises LoaderError when the file cannot be read or the server goes away; the same call continues.
    """
    began = time.monotonic()
    loaded = LoadedTable(relation.name)
    rejects = rejects if rejects is not None else Rejects()
    try:
        with (
            WriterConnection(dsn) as target,
            Pace(dsn, flush_every) as pace,
            progress_bars(show=show_progress) as bars,
        ):
            target.flush(tries=1)
            task = bars.add_task(relation.name, total=source.size, rows=0, note="")
            for chunk in batched(source.rows(relation, NEEDED.get(relation.name, ()))):
                loaded.read += len(chunk)
                changed = _changed(target, relation, dict(_good(chunk, relation, rejects)))
                if changed:
                    target.copy(relation, changed)
                    loaded.sent += len(changed)
                    pace.sent(len(changed))
                if relation == ITEMS:
                    give_stock(target, [Item._make(row) for row in changed], stock, pace)
                bars.update(
                    task, completed=source.position, rows=loaded.read, note=f"{loaded.sent:,} changed"
                )
            pace.catch_up()
            bars.update(task, completed=source.size)
    except psycopg.OperationalError as error:
        raise gone(loaded.sent, "rows", error) from error
    loaded.rejected, loaded.reasons = rejects.count, rejects.report()
    loaded.seconds = time.monotonic() - began
    return loaded


def _good(
    chunk: list[dict[str, Any] | Rejected], relation: SourceRelation, rejects: Rejects
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give by key the rows that can be sent; a later row of a key adds to the earlier one."""
    rows: dict[str, dict[str, Any]] = {}
    for row in chunk:
        if isinstance(row, Rejected):
            rejects.add(row)
        else:
            rows.setdefault(row[str(relation.key)], {}).update(row)
    yield from rows.items()


def _changed(
    target: WriterConnection, relation: SourceRelation, rows: dict[str, dict[str, Any]]
) -> list[tuple[Any, ...]]:
    there = target.rows(relation, list(rows))
    changed = []
    for key, values in rows.items():
        stored = there.get(key)
        known: dict[str, Any] = (
            dict(zip(relation.columns, stored, strict=True)) if stored else _new(relation, key)
        )
        if "attributes" in relation.columns:
            known["attributes"] = {**(known["attributes"] or {}), **values.pop("attributes", {})}
        row = tuple((known | values)[name] for name in relation.columns)
        if row != stored:
            changed.append(row)
    return changed


def _new(relation: SourceRelation, key: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(relation.columns)
    return row | {"name": f"Item {key}", "is_active": True} if relation == ITEMS else row
