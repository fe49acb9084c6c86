"""What `--guess` shows: how a file is understood, its first rows as they would be loaded, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from loaders.mapping.aliases import KNOWN_EVENTS, paths_of
from loaders.mapping.arguments import Understood
from loaders.mapping.mapped_log import MappedLog
from loaders.mapping.model import ColumnMapping
from loaders.reading.order import in_time_order
from loaders.schema.relations import EVENTS, ITEMS, SourceRelation
from loaders.schema.rows import Event, Rejected

ROWS = 5
LOOKED_AT = 1_000
WANTED = {
    "event_type": "what happened; if every row is a view, add --set event_type=view_item",
    "occurred_at": "when it happened; add --map occurred_at=FIELD (--time says how it is written)",
    "item_id": "which item; add --map item_id=FIELD",
    "user_id": "who; add --map user_id=FIELD, or --map anonymous_id=FIELD for a visitor's id",
    "anonymous_id": "which visitor; add --map anonymous_id=FIELD",
    "quantity": "how many units; add --map quantity=FIELD",
}
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "events": (("event_type",), ("occurred_at",), ("item_id",), ("user_id", "anonymous_id")),
    "items": (("item_id",),),
    "inventory": (("item_id",), ("quantity",)),
    "users": (("user_id",),),
    "identities": (("anonymous_id",), ("user_id",)),
}


def missing(source: MappedLog, relation: SourceRelation) -> list[str]:
    """Give what the mapping lacks, each with its remedy."""
    mapped = {name for rule in source.mapping.rules_for(relation) for name in rule.columns}
    return [
        f"{' or '.join(names)}: {WANTED[names[0]]}"
        for names in NEEDS[relation.name]
        if not mapped.intersection(names)
    ]


def preview(source: MappedLog, relation: SourceRelation, understood: Understood) -> Iterator[str]:
    """Give the lines that show how a file would be loaded; nothing is sent anywhere."""
    yield f"{source.path}: {source.records.summary}"
    yield ""
    for rule in source.mapping.rules_for(relation):
        for name in relation.columns:
            if name in rule.columns:
                how = "  (recognised)" if name in understood.recognised else ""
                yield f"  {name:<14} {_written(rule.columns[name])}{how}"
    if relation == EVENTS:
        yield from _facts(source)
    if relation == EVENTS and source.mapping.makes_event_ids:
        yield f"  {'event_id':<14} made of the row's content"
    used = {path for rule in source.mapping.rules for c in rule.columns.values() for path in c.paths}
    if unused := [path for path in paths_of(understood.records) if path not in used]:
        yield f"  not used: {', '.join(unused)}"
    for name, path in understood.unseen.items():
        yield f"  no row of the first {len(understood.records):,} has {path}, named for {name}"
    if lacking := missing(source, relation):
        yield ""
        yield "Missing:"
        yield from (f"  {line}" for line in lacking)
    yield ""
    yield from _event_lines(source) if relation == EVENTS else _row_lines(source, relation)


def _facts(source: MappedLog) -> Iterator[str]:
    for rule in source.mapping.rules_for(ITEMS):
        for name, column in rule.columns.items():
            if name != "item_id":
                yield f"  {'item ' + name:<14} {_written(column)}"


def _event_lines(source: MappedLog) -> Iterator[str]:
    records = list(source.in_order(in_time_order(islice(source.read(), LOOKED_AT))))
    events = [record for record in records if isinstance(record, Event)]
    rejected = Counter(record.reason for record in records if isinstance(record, Rejected))
    yield f"The first rows of {len(records):,} looked at:" if events else "No row would be loaded."
    yield from (_row(event._asdict()) for event in events[:ROWS])
    strange = Counter(event.event_type for event in events if event.event_type not in KNOWN_EVENTS)
    for word, count in strange.most_common(ROWS):
        yield (
            f"  {count:,} × event_type {word!r} is none that the views know; translate it with "
            f"--value event_type:{word}=view_item, or leave it"
        )
    yield from _counted(rejected, "rejected")
    yield from _counted(source.left_out, "left out")


def _row_lines(source: MappedLog, relation: SourceRelation) -> Iterator[str]:
    rows = list(islice(source.rows(relation), LOOKED_AT))
    good = [row for row in rows if not isinstance(row, Rejected)]
    yield f"The first rows of {len(rows):,} looked at:" if good else "No row would be loaded."
    yield from (_row(row) for row in good[:ROWS])
    yield from _counted(Counter(row.reason for row in rows if isinstance(row, Rejected)), "rejected")


def _counted(reasons: Counter[str], what: str) -> Iterator[str]:
    for reason, count in reasons.most_common(ROWS):
        yield f"  {count:,} × {what}: {reason}"


def _row(values: dict[str, Any]) -> str:
    return "  " + ", ".join(f"{name}={_shown(value)}" for name, value in values.items() if value is not None)


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _written(column: ColumnMapping) -> str:
    if not column.paths:
        return f"always {column.constant!r}"
    text = " or ".join(column.paths)
    if column.split:
        text += f", part {column.part} of it by {column.split!r}"
    if column.values:
        text += ", " + ", ".join(f"{word} as {value}" for word, value in column.values.items())
    return text
