"""Read one event from named fields (a JSON object or a CSV row) and say precisely what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from loaders.reading.text import KEPT, shown
from loaders.schema.ids import IDS, is_no_id
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event


class BadField(ValueError):
    """A value that its column cannot hold."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


REQUIRED = ("event_id", "event_type", "occurred_at")
INTEGER_RANGE = range(-(2**31), 2**31)


def event_from(fields: Mapping[str, object]) -> Event:
    """Make an event of fields named like the columns of `events`; absent and empty ones are null, and ids that are none.

    Raises BadField with the reason: an unknown field, a missing one, or a value that its column cannot hold.
    """
    unknown = [name for name in fields if name not in EVENTS.columns]
    if unknown:
        raise BadField(
            unknown[0][:KEPT],
            f"unknown field {shown(unknown[0])}; the fields are {', '.join(EVENTS.columns)}",
        )
    for name in REQUIRED:
        if _is_missing(name, fields.get(name)):
            raise BadField(name, f"{name} is missing")
    return Event._make(
        (
            None if _is_missing(name, fields.get(name)) else READERS[kind](name, fields[name])
            for name, kind in EVENTS.columns.items()
        )
    )


def from_unix(seconds: float) -> datetime:
    """Give the UTC time of a Unix time in seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _is_missing(name: str, value: object) -> bool:
    if value in (None, ""):
        return True
    return name in (*IDS, "item_id") and isinstance(value, str | int) and is_no_id(name, str(value))


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadField(name, f"{name} must be text, not {shown(value)}")


def _integer(name: str, value: object) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
        if isinstance(number, float) and number.is_integer():
            number = int(number)
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number not in INTEGER_RANGE:
        raise BadField(name, f"{name} must be a whole number of 32 bits, not {shown(value)}")
    return number


def _number(name: str, value: object) -> float:
    try:
        number = (
            float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
        )
    except (ValueError, OverflowError):
        number = None
    if number is None or not math.isfinite(number):
        raise BadField(name, f"{name} must be a finite number, not {shown(value)}")
    return number


def _boolean(name: str, value: object) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise BadField(name, f"{name} must be true or false, not {shown(value)}")


def _time(name: str, value: object) -> datetime:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise BadField(
            name, f"{name} must be an ISO 8601 time such as 2026-01-31T12:00:00Z, not {shown(value)}"
        )
    if time.tzinfo is None:
        raise BadField(
            name, f"{name} {shown(value)} has no time zone; write Z or an offset such as +02:00 after it"
        )
    return time


READERS: dict[str, Callable[[str, object], object]] = {
    "text": _text,
    "int4": _integer,
    "float8": _number,
    "bool": _boolean,
    "timestamptz": _time,
}
