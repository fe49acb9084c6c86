"""Equality of two results as multisets of rows.

Numbers compare by value across types (a DuckDB HUGEINT equals a PostgreSQL numeric); where one side is inexact, to 1e-9
relative or absolute. NaN equals NaN. Instants compare in UTC. Arrays compare element by element.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.equivalence.values import Span

TOLERANCE = 1e-9


def difference(expected: Iterable[Sequence[Any]], actual: Iterable[Sequence[Any]]) -> str | None:
    """None if both hold the same rows equally often, else the rows that are missing and those that are too many."""
    missing = [tuple(map(_canonical, row)) for row in expected]
    surplus = [tuple(map(_canonical, row)) for row in actual]
    missing, surplus = _without_matches(missing, surplus)
    if not missing and not surplus:
        return None
    lines = [f"  missing {row}" for row in missing] + [f"  surplus {row}" for row in surplus]
    return "\n".join(lines)


def _without_matches(
    left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]
) -> tuple[list[Any], list[Any]]:
    """Pair rows off; candidates share everything that compares exactly, so the search stays within small buckets."""
    buckets: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for row in right:
        buckets[tuple(map(_exact_part, row))].append(row)
    unmatched = []
    for row in left:
        bucket = buckets[tuple(map(_exact_part, row))]
        for position, candidate in enumerate(bucket):
            if all(map(same, row, candidate)):
                del bucket[position]
                break
        else:
            unmatched.append(row)
    return unmatched, [row for bucket in buckets.values() for row in bucket]


def same(left: Any, right: Any) -> bool:
    """Equality of two values, with a tolerance for inexact numbers."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if _is_number(left) and _is_number(right):
        if isinstance(left, int) and isinstance(right, int):
            return left == right
        a, b = float(left), float(right)
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _exact_part(value: Any) -> Any:
    """What two equal values certainly share; numbers only share that they are numbers."""
    if _is_number(value):
        return "number"
    if isinstance(value, tuple):
        return tuple(map(_exact_part, value))
    return (type(value).__name__, value)


def _canonical(value: Any) -> Any:
    if isinstance(value, Span):
        return timedelta(hours=value.hours)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, dict):
        return tuple(sorted((key, _canonical(each)) for key, each in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_canonical, value))
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value
