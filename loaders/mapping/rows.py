"""Apply rules to records: rows of the source relations, the reason why there is none, or what a record is instead."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Any

from loaders.mapping.model import LEAVE_OUT, RowRule
from loaders.mapping.paths import Record, getter, is_missing
from loaders.mapping.values import LeftOut, column_reader
from loaders.reading.parse import BadField
from loaders.reading.text import shown
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event

NESTED = "attributes."
EVENT_COLUMNS = {name: position for position, name in enumerate(EVENTS.columns)}
ENCODER = json.JSONEncoder(sort_keys=True, default=str, separators=(",", ":"))
EVENT_ID, EVENT_TYPE, OCCURRED_AT = (EVENT_COLUMNS[n] for n in ("event_id", "event_type", "occurred_at"))


class RuleReader:
    """A rule, compiled: it reads the values of its columns out of records."""

    def __init__(self, rule: RowRule, local: tzinfo) -> None:
        self.rule = rule
        self.columns = [(name, column_reader(rule, name, local)) for name in rule.columns]
        self._conditions = [(path, getter(path), frozenset(words)) for path, words in rule.when.items()]
        self._list = getter(rule.each[1]) if rule.each else None

    def applies(self, record: Record) -> bool:
        """Whether the record has the values that the rule asks for."""
        return all(str(get(record)) in words for _, get, words in self._conditions)

    def named(self, record: Record) -> str:
        """Say what the record is in the fields that the rule asks for."""
        return ", ".join(f"{path} {get(record)}" for path, get, _ in self._conditions)

    def elements(self, record: dict[str, Any]) -> Iterator[tuple[int | None, dict[str, Any]]]:
        """Give the record once for each element of its list, with the element in it and its number from 0.

        A record without a list, or of a rule without one, is given as it is, with None. Raises ValueError for a list
        that is none.
        """
        found = None if self._list is None else self._list(record)
        if found is not None and not isinstance(found, list):
            raise ValueError(f"a list is expected, not {shown(found)}")
        if self.rule.each is None or not found:
            if self.rule.each is None or self.rule.empty != LEAVE_OUT:
                yield None, record
            return
        for number, element in enumerate(found):
            yield number, {**record, self.rule.each[0]: element}

    def values(self, record: Record) -> dict[str, Any]:
        """Give the values that the record has for the rule's columns; absent ones are left out."""
        values: dict[str, Any] = {}
        for name, read in self.columns:
            if (value := read(record)) is not None:
                if name.startswith(NESTED):
                    values.setdefault("attributes", {})[name.removeprefix(NESTED)] = value
                else:
                    values[name] = value
        return values


def row_digest(made_of: tuple[str, ...]) -> Callable[[Record], str]:
    """Compile what an event's id is made of: the digest of these values of a record, or of the whole record.

    It depends on names and values, not on the order of fields or how the file is packed. Single values count as their
    text, so that those of a CSV, a JSON and a Parquet file are the same.
    """
    getters = [getter(path) for path in made_of]

    def digest(record: Record) -> str:
        content = [None if (v := get(record)) is None else str(v) for get in getters] if getters else record
        return hashlib.blake2b(ENCODER.encode(content).encode(), digest_size=15).hexdigest()

    return digest


class EventMaker:
    """Makes events of records: the first rule that applies to a record is its rule."""

    def __init__(
        self, rules: tuple[RowRule, ...], prefix: str, made_of: tuple[str, ...], local: tzinfo
    ) -> None:
        self._readers = [RuleReader(rule, local) for rule in rules]
        self._prefix = prefix
        self._digest = row_digest(made_of)
        self._of_record = not made_of

    def events(self, record: dict[str, Any]) -> Iterator[Event | ValueError | LeftOut]:
        """Give the events of a record; instead of one the reason why it is none, or what it is instead."""
        reader = next((reader for reader in self._readers if reader.applies(record)), None)
        if reader is None:
            yield LeftOut(self._readers[0].named(record) if self._readers else "no event")
            return
        made_id = "event_id" not in reader.rule.columns
        digest = self._digest(record) if made_id and self._of_record else None
        elements = reader.elements(record)
        while True:
            try:
                number, element = next(elements)
                event_id = f"{self._prefix}-{digest or self._digest(element)}" if made_id else None
                if event_id and digest and number is not None:
                    event_id += f"-{number}"
                yield _event(reader, element, event_id, number)
            except StopIteration:
                return
            except (ValueError, LeftOut) as error:
                yield error


def _event(reader: RuleReader, record: Record, event_id: str | None, number: int | None) -> Event:
    row: list[Any] = [None] * len(EVENT_COLUMNS)
    for name, read in reader.columns:
        row[EVENT_COLUMNS[name]] = read(record)
    if event_id is None and row[EVENT_ID] is not None:
        event_id = row[EVENT_ID] if number is None else f"{row[EVENT_ID]}-{number}"
    row[EVENT_ID] = event_id
    for name in reader.rule.needs:
        if row[EVENT_COLUMNS[name]] is None:
            raise LeftOut(f"{name} missing")
    for position in (EVENT_ID, EVENT_TYPE, OCCURRED_AT):
        if row[position] is None:
            raise BadField(Event._fields[position], f"{Event._fields[position]} is missing")
    return Event._make(row)


def merged(
    rows: Iterator[tuple[str, dict[str, Any], float]],
) -> dict[str, dict[str, Any]]:
    """Join rows of one key: for each column the value that came last, or with the greatest order; the first created_at.

    `rows` gives key, values and order. Memory grows with the number of keys.
    """
    found: dict[str, dict[str, Any]] = {}
    orders: dict[tuple[str, str], float] = {}
    for key, values, order in rows:
        known = found.setdefault(key, {})
        for name, value in values.items():
            if name == "created_at":
                known[name] = min(value, known.get(name, value))
            elif order == 0:
                known[name] = value
            elif order >= orders.get((key, name), order):
                known[name], orders[key, name] = value, order
    return found


def keyed_rows(
    reader: RuleReader, records: Iterator[dict[str, Any]], key: str
) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Give key, values and order of the rows that records hold; rows without a key, or with a bad value, are passed over."""
    order_of = getter(reader.rule.latest) if reader.rule.latest else None
    for record in records:
        if not reader.applies(record):
            continue
        try:
            for _, element in reader.elements(record):
                values = reader.values(element)
                if key in values:
                    order = order_of(element) if order_of else 0
                    yield values[key], values, 0.0 if is_missing(order) else float(order)
        except (ValueError, LeftOut):
            continue
