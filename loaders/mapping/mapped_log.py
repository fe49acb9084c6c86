"""Mapped files as an event log: events, and the catalogue, people and links that their rules make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from loaders.mapping.arguments import Understood
from loaders.mapping.model import Mapping, RowRule
from loaders.mapping.open_records import open_records
from loaders.mapping.paths import roots
from loaders.mapping.records import PACKED, Record, Records
from loaders.mapping.rows import EventMaker, RuleReader, keyed_rows, merged
from loaders.mapping.shapes import SHAPES
from loaders.mapping.times import zone
from loaders.mapping.values import LeftOut
from loaders.reading.event_log import EventLog
from loaders.reading.parse import BadField
from loaders.reading.text import printable
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS, IDENTITIES, ITEMS, USERS, SourceRelation
from loaders.schema.rows import Event, IdentityLink, Item, Rejected, User

REASONS = 1_000
OTHER = "other"


class MappedLog(EventLog):
    """A file, or a folder of files, under a mapping.

    Events come in any order and get sessions where they have none. `left_out` counts by reason the records that are no
    events of the mapping's. Where an event has no id, it is made of the row's content; rows that are equal have equal
    times too, so they stand together once the log is in time order, and the second one gets the number 2.
    """

    name = "file"
    summary = "any CSV, TSV, JSON lines or Parquet, with --map or --mapping"
    time_ordered = False
    has_sessions = False

    def __init__(
        self,
        path: Path | None,
        mapping: Mapping,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(main_file(path, mapping), since=since, until=until, limit=limit)
        assert self.path is not None
        self.mapping = mapping
        self.name = mapping.name  # type: ignore[misc]
        self.understood: Understood | None = None
        self.left_out: Counter[str] = Counter()
        self.records = open_records(self.path, mapping.layout)
        self.size = self.records.size
        self._shape = SHAPES[mapping.layout.shape] if mapping.layout.shape else None
        self._zone = zone(mapping.timezone)
        self.items_from_events = not any(self._files(rule) for rule in mapping.rules_for(ITEMS) if rule.file)
        check_columns(self.records, mapping)

    @property
    def position(self) -> int:
        """How much of the event file has been read."""
        return self.records.position

    def whole(self) -> EventLog:
        """Give the same log without bounds."""
        return MappedLog(self.path, self.mapping)

    def read(self) -> Iterator[Event | Rejected]:
        """Give the events of every record."""
        self.left_out = Counter()
        mapping = self.mapping
        maker = EventMaker(mapping.rules_for(EVENTS), mapping.prefix, mapping.made_of, self._zone)
        for found in self._shaped(self.records):
            if isinstance(found, Rejected):
                yield found
                continue
            line, record = found
            for event in maker.events(record):
                if isinstance(event, Event):
                    yield event
                elif isinstance(event, ValueError):
                    yield rejected(self.records, line, record, event)
                else:
                    reason = str(event)
                    known = reason in self.left_out or len(self.left_out) < REASONS
                    self.left_out[reason if known else OTHER] += 1

    def in_order(self, records: Iterable[Event | Rejected]) -> Iterable[Event | Rejected]:
        """Number events whose made-up ids are equal."""
        return numbered(records) if self.mapping.makes_event_ids else records

    def items(self) -> Iterator[Item]:
        """Give the items of the rules; memory grows with their number. What no rule names is the item's number."""
        for key, found in self._merged(ITEMS).items():
            yield item_of(key, found)

    def users(self) -> Iterator[User]:
        """Give the people of the rules; memory grows with their number."""
        for key, found in self._merged(USERS).items():
            yield User(key, found.get("segment"), found.get("attributes", {}), found.get("updated_at"))

    def identities(self) -> Iterator[IdentityLink]:
        """Give the links between visitors and people; memory grows with their number."""
        for key, found in self._merged(IDENTITIES).items():
            if person := found.get("user_id"):
                yield IdentityLink(key, person)

    def rows(
        self, relation: SourceRelation, needed: Sequence[str] = ()
    ) -> Iterator[dict[str, Any] | Rejected]:
        """Give the rows that the rules of one relation make of the file, each with the columns that have a value.

        A row without its key, or one of the `needed` columns, is rejected.
        """
        needed = (str(relation.key), *needed)
        readers = [RuleReader(rule, self._zone) for rule in self.mapping.rules_for(relation)]
        for found in self._shaped(self.records):
            if isinstance(found, Rejected):
                yield found
                continue
            line, record = found
            for reader in readers:
                try:
                    yield from _rows(reader, record, needed)
                except ValueError as error:
                    yield rejected(self.records, line, record, error)

    def _merged(self, relation: SourceRelation) -> dict[str, dict[str, Any]]:
        def rows() -> Iterator[tuple[str, dict[str, Any], float]]:
            for rule in self.mapping.rules_for(relation):
                reader = RuleReader(rule, self._zone)
                for file in self._files(rule):
                    records = (r[1] for r in self._shaped(file) if not isinstance(r, Rejected))
                    yield from keyed_rows(reader, records, str(relation.key))

        return merged(rows())

    def _files(self, rule: RowRule) -> list[Records]:
        if rule.file is None:
            return [self.records]
        assert self.path is not None
        return [open_records(path, self.mapping.layout) for path in beside(self.path.parent, rule.file)]

    def _shaped(self, records: Records) -> Iterator[tuple[int, Record] | Rejected]:
        if self._shape is None:
            yield from records.read()
            return
        for found in records.read():
            if isinstance(found, Rejected):
                yield found
                continue
            line, record = found
            try:
                yield line, self._shape(record)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                reason = ValueError(f"not a record of the format {self.mapping.name}: {error}")
                yield rejected(records, line, record, reason)


def main_file(path: Path | None, mapping: Mapping) -> Path | None:
    """Give the event file of a folder, or the path itself. Raises LoaderError for a folder that has none."""
    if path is None or not path.is_dir():
        return path
    found = beside(path, mapping.main_file) if mapping.main_file else []
    if not found:
        wanted = mapping.main_file or "one file"
        raise LoaderError(
            f"{path} is a folder without {wanted} (format {mapping.name}); give the file's path"
        )
    return found[0]


def beside(folder: Path, pattern: str) -> list[Path]:
    """Give the files of a folder with this name, packed or not; the pattern may have wildcards."""
    return sorted({file for end in ("", *PACKED) for file in folder.glob(pattern + end) if file.is_file()})


def check_columns(records: Records, mapping: Mapping) -> None:
    """Raise LoaderError for a path that begins with no column of the file, where its columns are known beforehand."""
    if records.fields is None or mapping.layout.shape:
        return
    for rule in mapping.rules:
        if rule.file is not None:
            continue
        known = {*records.fields, *([rule.each[0]] if rule.each else [])}
        for name, column in rule.columns.items():
            named = [root for path in column.paths for root in roots(path)]
            whole = [path for path in column.paths if path in known]
            if named and not whole and not any(root in known for root in named):
                raise LoaderError(
                    f"{records.path}: no column {' or '.join(map(repr, column.paths))} for {name}; the columns are "
                    f"{', '.join(records.fields)}. For one value in every row write --set {name}={column.paths[0]}"
                )


def item_of(item_id: str, values: dict[str, Any]) -> Item:
    """Make an item of what is known of it: without a name it is called by its id, and it is active unless that is said."""
    return Item(
        item_id=item_id,
        name=values.get("name") or f"Item {item_id}",
        category=values.get("category"),
        subcategory=values.get("subcategory"),
        brand=values.get("brand"),
        price=values.get("price"),
        is_active=values.get("is_active", True),
        created_at=values.get("created_at"),
    )


def numbered(records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
    """Give equal ids at one time a number from the second one on; memory holds the ids of one moment."""
    moment: datetime | None = None
    seen: Counter[str] = Counter()
    for record in records:
        if isinstance(record, Event):
            if record.occurred_at != moment:
                moment, seen = record.occurred_at, Counter()
            seen[record.event_id] += 1
            if (times := seen[record.event_id]) > 1:
                yield record._replace(event_id=f"{record.event_id}-{times}")
                continue
        yield record


def rejected(records: Records, line: int, record: Record, error: ValueError) -> Rejected:
    """Tell why a record is no row, with all that it says."""
    text = json.dumps(record, ensure_ascii=False, default=str)
    return Rejected(str(records.path), line, str(error), printable(text), getattr(error, "column", None))


def _rows(reader: RuleReader, record: Record, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    if not reader.applies(record):
        return
    for _, element in reader.elements(record):
        try:
            values = reader.values(element)
        except LeftOut:
            continue
        for name in needed:
            if name not in values:
                raise BadField(name, f"{name} is missing")
        yield values
