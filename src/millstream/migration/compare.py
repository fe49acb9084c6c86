"""Equality of two relations as multisets of rows, without holding them: a digest a row, and the rows that are left over.

Floating point numbers are equal to 1e-9 relative; sums of them depend on the order in which an engine adds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from millstream.migration.literal import JsonText

TOLERANCE = 1e-9
SAMPLE = 3  # rows of each side that a report shows
Row = tuple[Any, ...]
Reader = Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class RowDifference:
    """How many rows only one side has, and some of them."""

    only_here: int
    only_there: int
    sample_here: tuple[Row, ...]
    sample_there: tuple[Row, ...]

    def __bool__(self) -> bool:
        return bool(self.only_here or self.only_there)


def compare(here: Reader, there: Reader) -> RowDifference:
    """Compare what two readers yield; each is read twice where they differ. About 150 bytes of
    memory a row."""
    balance: Counter[bytes] = Counter()
    for row in here():
        _count(balance, row, 1)
    for row in there():
        _count(balance, row, -1)
    if not balance:
        return RowDifference(0, 0, (), ())
    left = list(_left_over(here(), balance, 1))
    right = list(_left_over(there(), balance, -1))
    left, right = _unmatched(left, right)
    return RowDifference(len(left), len(right), tuple(islice(left, SAMPLE)), tuple(islice(right, SAMPLE)))


def same(left: Any, right: Any) -> bool:
    """Equality of two values, with a tolerance where one is a floating point number."""
    if isinstance(left, JsonText) and isinstance(right, JsonText):
        return same(json.loads(left, parse_int=float), json.loads(right, parse_int=float))
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if _is_number(left) and _is_number(right):
        if not isinstance(left, float) and not isinstance(right, float):
            return bool(left == right)
        a, b = float(left), float(right)
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(left == right)


def _count(balance: Counter[bytes], row: Sequence[Any], sign: int) -> None:
    spelling = digest(row)
    balance[spelling] += sign
    if not balance[spelling]:
        del balance[spelling]


def _left_over(rows: Iterable[Row], balance: Mapping[bytes, int], sign: int) -> Iterator[Row]:
    """The rows of a side that the other one has not, or less often."""
    waiting = {spelling: sign * number for spelling, number in balance.items() if sign * number > 0}
    for row in rows:
        spelling = digest(row)
        if waiting.get(spelling, 0) > 0:
            waiting[spelling] -= 1
            yield row


def _unmatched(left: list[Row], right: list[Row]) -> tuple[list[Row], list[Row]]:
    """Pair off what differs by rounding alone; candidates share everything that is no floating point number."""
    buckets: dict[Any, list[Row]] = {}
    for row in right:
        buckets.setdefault(repr([_canonical(value, "float") for value in row]), []).append(row)
    alone = []
    for row in left:
        bucket = buckets.get(repr([_canonical(value, "float") for value in row]), [])
        match = next((place for place, other in enumerate(bucket) if all(map(same, row, other))), None)
        if match is None:
            alone.append(row)
        else:
            del bucket[match]
    return alone, [row for bucket in buckets.values() for row in bucket]


def digest(row: Sequence[Any]) -> bytes:
    """16 bytes that equal rows share; numbers that differ beyond their 12th digit may, too."""
    text = repr([_canonical(value, None) for value in row])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _canonical(value: Any, float_as: str | None) -> Any:
    """A value so that equal ones have one spelling; a float to 12 digits, or as `float_as`."""
    match value:
        case JsonText():
            return {"json": _canonical(json.loads(value, parse_int=float), float_as)}
        case bool() | None | str():
            return value
        case int():
            return f"#{value}"
        case float():
            return float_as or (f"{value:.11e}" if math.isfinite(value) and value else f"{value + 0.0}")
        case Decimal():
            exact = f"#{value.normalize():f}" if value.is_finite() else f"#{value}"
            return "#0" if exact == "#-0" else exact
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat()
        case list() | tuple():
            return [_canonical(each, float_as) for each in value]
        case Mapping():
            return sorted((name, _canonical(each, float_as)) for name, each in value.items())
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
