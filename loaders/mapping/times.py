"""Times as files write them: Unix time in any unit, ISO 8601, or a strptime format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loaders.reading.parse import BadField
from loaders.reading.text import shown
from loaders.schema.errors import LoaderError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
NANOSECONDS = "nanoseconds"
WORDS = ("iso", "auto")
# Unix times of the years 1973 to 5138 in seconds have at most eleven digits; so for each finer unit three more.
LIMITS = ((10**11, "seconds"), (10**14, "milliseconds"), (10**17, "microseconds"))
DATE_DIGITS = 8
ZONE_WORDS = (" UTC", " GMT")


def zone(name: str) -> tzinfo:
    """Give a time zone by its name. Raises LoaderError for one that this machine does not know."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LoaderError(
            f"unknown time zone {name!r}; write one such as Europe/Berlin (the package tzdata has them where the "
            "system does not)"
        ) from None


def time_reader(way: str, local: tzinfo) -> Callable[[str, object], datetime]:
    """Compile a way to read times; those without a zone are `local`. The function raises ValueError with the reason.

    Raises LoaderError for a word that names no way.
    """
    if not (_is_unit(way) or way in WORDS or "%" in way):
        raise LoaderError(
            f"there is no such way to write times: {way!r}; write one of {', '.join((*UNITS, NANOSECONDS, *WORDS))}, or a "
            "format such as '%d/%m/%Y %H:%M'"
        )

    def read(name: str, value: object) -> datetime:
        try:
            return _read(value, way, local)
        except (ValueError, OverflowError, InvalidOperation, OSError):
            raise BadField(name, f"{name} must be {_words(way)}, not {shown(value)}") from None

    return read


def _words(way: str) -> str:
    if _is_unit(way):
        return f"Unix time in {way}"
    if way in WORDS:
        return "a time such as 2026-01-31T12:00:00Z" + (" or Unix time" if way == "auto" else "")
    return f"a time written {way}"


def _read(value: object, way: str, local: tzinfo) -> datetime:
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=local)
    elif isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=local)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    else:
        raise ValueError  # noqa: TRY004 (a bad row, not a programming error)
    if _is_unit(way):
        return _unix(text, way)
    if way == "auto" and (unit := _unit(text)):
        return _unix(text, unit)
    found = _iso(text) if way in WORDS else datetime.strptime(text, way)  # noqa: DTZ007 (the zone is below)
    return found if found.tzinfo else found.replace(tzinfo=local)


def _unit(text: str) -> str | None:
    """Tell the unit of a Unix time by its size; None if the text is none. Eight digits are a date."""
    digits = text.removeprefix("-").partition(".")[0]
    if not digits.isdecimal():
        return "seconds" if "e" in text.lower() and text[:1].isdecimal() else None
    if len(digits) == DATE_DIGITS and digits == text:
        return None
    return next((unit for limit, unit in LIMITS if int(digits) < limit), NANOSECONDS)


def _unix(text: str, unit: str) -> datetime:
    if unit in UNITS and text.removeprefix("-").isdecimal():
        return EPOCH + timedelta(microseconds=int(text) * UNITS[unit])
    scale = Decimal(UNITS[unit]) if unit in UNITS else Decimal("0.001")
    return EPOCH + timedelta(microseconds=int((Decimal(text) * scale).to_integral_value()))


def _is_unit(way: str) -> bool:
    return way in UNITS or way == NANOSECONDS


def _iso(text: str) -> datetime:
    for word in ZONE_WORDS:
        if text.endswith(word):
            return datetime.fromisoformat(text.removesuffix(word)).replace(tzinfo=UTC)
    return datetime.fromisoformat(text)
