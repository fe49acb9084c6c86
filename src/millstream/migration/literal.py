"""Values as RisingWave's SQL, each with the type that its column declares."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from millstream.compiler.algebra.quoting import string
from millstream.errors import MillstreamError

TEXT = ("varchar", "text", "character varying")


class JsonText(str):
    """A jsonb value as its text, so that no digit of a number is lost on the way."""

    __slots__ = ()


def json_text(data: bytes | str) -> JsonText:
    """What psycopg makes of a jsonb value."""
    return JsonText(data.decode() if isinstance(data, bytes) else data)


def literal(value: Any, declared: str) -> str:
    """A value of a column as a constant of the declared type. Raises MillstreamError for what RisingWave cannot hold."""
    if value is None:
        return f"null::{declared}"
    if isinstance(value, list) and declared.endswith("[]"):
        element = declared.removesuffix("[]")
        return f"array[{', '.join(literal(each, element) for each in value)}]::{declared}"
    if declared in TEXT:
        return string(str(value))
    return f"{string(spelled(value))}::{declared}"


def spelled(value: Any) -> str:
    """The text that casts back to the value."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat(" ")
        case bytes():
            return "\\x" + value.hex()
        case float():
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))
        case int() | str():
            return str(value)
        case Decimal() | date() | time() | timedelta():  # a datetime without a zone is a date, too
            return str(value)
    raise MillstreamError(f"a value of Python's type {type(value).__name__} cannot be written to RisingWave")
