"""The rows that loaders send: one tuple type per source relation, in the order of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, TypeVar


class Event(NamedTuple):
    """One event of the log under GA4 names. Times carry a zone; `dwell_seconds` is in seconds, `price` is per unit."""

    event_id: str
    event_type: str
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    item_id: str | None
    quantity: int | None
    price: float | None
    currency: str | None
    dwell_seconds: float | None
    search_query: str | None
    list_id: str | None
    position: int | None
    rec_id: str | None
    country: str | None
    device: str | None
    referrer: str | None
    consent: bool | None
    occurred_at: datetime
    received_at: datetime | None


class RawEvent(NamedTuple):
    """One undecoded message with its place in the source; `source_offset` counts lines from 1."""

    payload: str
    source_partition: str
    source_offset: str
    received_at: datetime


class Item(NamedTuple):
    """One product of the catalogue; `price` is the price of one unit in the log's own currency."""

    item_id: str
    name: str
    category: str | None
    subcategory: str | None
    brand: str | None
    price: float | None
    is_active: bool
    created_at: datetime | None


class Stock(NamedTuple):
    """Units of an item that can be sold now."""

    item_id: str
    quantity: int


class User(NamedTuple):
    """A person or household: a segment in plain words and what else is known."""

    user_id: str
    segment: str | None
    attributes: dict[str, str]
    updated_at: datetime | None


class IdentityLink(NamedTuple):
    """Which person a visitor turned out to be."""

    anonymous_id: str
    user_id: str


class Rejected(NamedTuple):
    """A row of the source that is not an event: where it stands, why it is refused, what it said and in which column.

    `line` is that on which the row begins, from 1; 0 where it is not known.
    """

    file: str
    line: int
    reason: str
    payload: str
    column: str | None = None


Record = TypeVar("Record", Event, RawEvent, Event | Rejected)
CHUNK_LETTERS = 16_000_000


def letters(record: Event | RawEvent | Rejected) -> int:
    """Count the letters of a record: what most of its memory is, where that is much."""
    return sum(len(value) for value in record if isinstance(value, str))


def chunks(records: Iterable[Record], size: int, most: int = CHUNK_LETTERS) -> Iterator[list[Record]]:
    """Cut a stream into lists of `size` records, shorter where they have more than `most` letters, and at the end."""
    chunk: list[Record] = []
    held = 0
    for record in records:
        chunk.append(record)
        held += letters(record)
        if len(chunk) == size or held > most:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def event(
    event_id: str,
    event_type: str,
    occurred_at: datetime,
    *,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    session_id: str | None = None,
    item_id: str | None = None,
    quantity: int | None = None,
    price: float | None = None,
    currency: str | None = None,
    position: int | None = None,
    country: str | None = None,
) -> Event:
    """Make an event of the fields that shop logs have; the others are null."""
    return Event(
        event_id, event_type, user_id, anonymous_id, session_id, item_id, quantity, price, currency,
        None, None, None, position, None, country, None, None, None, occurred_at, None,
    )  # fmt: skip
