"""The comparator tells results apart that differ, and only those."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.equivalence.compare import difference

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NAN = float("nan")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([(1, "a"), (2, "b")], [(2, "b"), (1, "a")]),
        ([(0.1 + 0.2,)], [(Decimal("0.3"),)]),
        ([(Decimal("2.0000000000000000"),)], [(2,)]),
        ([(NAN, None)], [(NAN, None)]),
        ([([1, None],)], [((1, None),)]),
        ([(NOON,)], [(NOON.astimezone(timezone(timedelta(hours=2))),)]),
        ([(0.0,), (1e-10,)], [(1e-10,), (0.0,)]),
    ],
)
def test_equal_results(left: list[Any], right: list[Any]) -> None:
    assert difference(left, right) is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([(1,)], [(1,), (1,)]),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)]),
        ([(1.0,)], [(1.00001,)]),
        ([(2**60,)], [(2**60 + 1,)]),
        ([(1,)], [(True,)]),
        ([(None,)], [(0,)]),
        ([("",)], [(None,)]),
        ([([1, 2],)], [([2, 1],)]),
        ([(NAN,)], [(0.0,)]),
        ([(float("inf"),)], [(float("-inf"),)]),
        ([(NOON,)], [(NOON + timedelta(microseconds=1),)]),
    ],
)
def test_different_results(left: list[Any], right: list[Any]) -> None:
    assert difference(left, right) is not None
