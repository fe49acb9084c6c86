"""How long a constant interval is."""

from __future__ import annotations

import re
from fractions import Fraction

from sqlglot import exp

MICROSECONDS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
ALIASES = {
    "us": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "w": "week",
}
PART = re.compile(r"\s*(?:([+-]?\d+(?:\.\d+)?)\s*([a-z]+)|([+-]?)(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?)", re.I)


def microseconds(interval: exp.Expr) -> int | None:
    """Return the length of a constant interval in microseconds, a day being 24 hours (the engine's zone is UTC).

    None for months and years, whose length varies, and for anything that is not a constant interval.
    """
    while isinstance(interval, exp.Paren):
        interval = interval.this
    if isinstance(interval, exp.Interval) and isinstance(interval.this, exp.Literal):
        unit = interval.args.get("unit")
        return length(f"{interval.this.name} {unit.name if unit is not None else ''}")
    if isinstance(interval, exp.Cast) and interval.to.is_type("interval"):
        return length(interval.this.name) if isinstance(interval.this, exp.Literal) else None
    return None


def length(text: str) -> int | None:
    """Add up `1 day 02:30:00` and the like; a bare number counts seconds."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        text += " second"
    total, place = Fraction(0), 0
    while place < len(text):
        found = PART.match(text, place)
        if found is None:
            return None
        if found[2]:
            name = found[2].lower()
            scale = MICROSECONDS.get(ALIASES.get(name, name.removesuffix("s")))
            if scale is None:
                return None
            total += Fraction(found[1]) * scale
        else:
            seconds = int(found[4]) * 3600 + int(found[5]) * 60 + Fraction(found[6] or 0)
            total += (-1 if found[3] == "-" else 1) * seconds * 1_000_000
        place = found.end()
    return int(total) if text and total.denominator == 1 else None
