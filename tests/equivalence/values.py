"""Column types of generated schemas and the tiny domains from which their values come.

Domains are tiny on purpose: with three values per column, joins match, groups collide, ties are common and a retraction
usually has a surviving duplicate beside it. Instants lie on a grid of half hours, so that a temporal filter's bound often
falls exactly on a row. Numbers, intervals and doubles have equal values that are not the same: 1.5 and 1.50, a month and 30
days, 0 and -0.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from hypothesis import strategies as st

Value: TypeAlias = "int | str | float | bool | datetime | Decimal | Span | None"


LENGTHS = {"1 month": 720, "30 days": 720, "1 day": 24, "24 hours": 24, "-1 day": -24}
"""Hours of intervals as they are written."""


class Span(str):
    """An interval as it is written; equal to another of the same length, as SQL has it."""

    __slots__ = ()

    @property
    def hours(self) -> int:
        return LENGTHS[str(self)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self.hours == other.hours

    def __lt__(self, other: str) -> bool:
        return self.hours < Span(other).hours

    def __le__(self, other: str) -> bool:
        return self.hours <= Span(other).hours

    def __gt__(self, other: str) -> bool:
        return self.hours > Span(other).hours

    def __ge__(self, other: str) -> bool:
        return self.hours >= Span(other).hours

    def __hash__(self) -> int:
        return hash(self.hours)


EPOCH = datetime(2024, 1, 1, 12, tzinfo=UTC)
"""The `now` of the first tick of every generated history."""

INTERVALS = ("30 minutes", "1 hour", "2 hours")
"""Lengths of generated temporal filters."""

STRICT_TYPES = ("integer", "varchar", "double precision", "boolean", "timestamptz")
SCALAR_TYPES = (*STRICT_TYPES, "numeric", "interval")
"""Types of the columns of generated source tables."""

LOOSE = frozenset({"double precision", "numeric", "interval"})
"""Those that have equal values which are not the same."""

INTEGRAL = frozenset({"integer", "bigint"})
NUMBERS = frozenset({"integer", "bigint", "numeric", "double precision"})

_DOMAINS: dict[str, tuple[Value, ...]] = {
    "integer": (1, 2, 0),
    "varchar": ("a", "", "ä'b", "7"),  # one of them is a number as text
    # 0.1 has no finite binary expansion; 2**40 + 0.25 is exact; so a sum that retracts by subtraction shows its drift.
    "double precision": (0.1, 0.0, -0.0, -2.5, 2.0**40 + 0.25),
    "boolean": (True, False),
    "numeric": (Decimal("1.5"), Decimal("1.50"), Decimal(2), Decimal("-1.500")),
    "interval": tuple(map(Span, LENGTHS)),
    "timestamptz": tuple(EPOCH + timedelta(minutes=30 * step) for step in (0, -1, 1, -2, 3)),
}

_STRICT: tuple[Value, ...] = (0.5, 0.1, -2.5, 2.0**40 + 0.25)
_UNBOUNDED: tuple[Value, ...] = (0.5, math.nan, 0.1, math.inf, -math.inf)


def values(
    type_name: str, *, nullable: bool, finite: bool = True, loose: bool = True
) -> st.SearchStrategy[Value]:
    """Values of one column; `finite=False` makes most doubles NaN or infinite, `loose=False` leaves -0 out."""
    domain = _DOMAINS[type_name]
    if type_name == "double precision" and not (finite and loose):
        domain = _STRICT if finite else _UNBOUNDED
    return st.sampled_from((*domain, None) if nullable else domain)


def literal(value: Value, type_name: str) -> str:
    """SQL text of a constant, in the syntax that PostgreSQL and RisingWave share."""
    if value is None:
        return f"cast(null as {type_name})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, float):
        return f"cast('{value!r}' as double precision)"
    if isinstance(value, Decimal):
        return f"cast('{value}' as numeric)"
    if isinstance(value, Span):
        return f"interval '{value}'"
    if isinstance(value, datetime):
        return f"timestamptz '{value:%Y-%m-%d %H:%M:%S}+00'"
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
