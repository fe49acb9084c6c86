"""The rows that loaders send: one tuple type per source relation, in the order of its columns."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


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


class Rejected(NamedTuple):
    """A row of the source that is not an event: where it stands, why it is refused and what it said."""

    file: str
    line: int
    reason: str
    payload: str


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
