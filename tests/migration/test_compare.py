"""Tables and views are compared as multisets of rows, with a tolerance for sums of floating point numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from millstream.migration.compare import RowDifference, compare
from millstream.migration.literal import JsonText
from millstream.migration.source import open_snapshot
from tests.engine.engine import START
from tests.migration.conftest import Pair

Rows = list[tuple[Any, ...]]


def difference(here: Rows, there: Rows) -> RowDifference:
    return compare(lambda: here, lambda: there)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ([(1, "a"), (2, "b")], [(2, "b"), (1, "a")]),
        ([(0.1 + 0.2,)], [(0.3,)]),
        ([("x", 1.0000000000049999)], [("x", 1.0000000000050001)]),  # either side of where digits are cut
        ([(float("nan"),), (0.0,)], [(-0.0,), (float("nan"),)]),
        ([(Decimal("1.50"),), (3,)], [(Decimal(3),), (Decimal("1.5"),)]),
        ([([1.0, None, "a"],)], [([1.0 + 1e-13, None, "a"],)]),
        ([(JsonText('{"a": 1, "b": 0.30000000000000004}'),)], [(JsonText('{"b":0.3,"a":1.0}'),)]),
    ],
)
def test_equal(here: Rows, there: Rows) -> None:
    assert not difference(here, there)


@pytest.mark.parametrize(
    ("here", "there", "counts"),
    [
        ([(1,), (1,)], [(1,)], (1, 0)),
        ([], [(1,), (2,)], (0, 2)),
        ([(1.0,)], [(1.0 + 1e-8,)], (1, 1)),
        ([(None,)], [("",)], (1, 1)),
        ([(JsonText("null"),)], [(None,)], (1, 1)),
        ([(9007199254740993,)], [(9007199254740992,)], (1, 1)),
        ([(["a", "b"],)], [(["b", "a"],)], (1, 1)),
    ],
)
def test_different(here: Rows, there: Rows, counts: tuple[int, int]) -> None:
    found = difference(here, there)
    assert (found.only_here, found.only_there) == counts
    assert list(found.sample_here) == here[: counts[0]]


def test_after_a_copy_everything_that_follows_from_the_sources_is_equal(filled: Pair) -> None:
    filled.copy()
    assert filled.verify() == {
        **dict.fromkeys(("events", "items", "weights", "raw", "revenue"), "equal"),
        **dict.fromkeys(("weighted", "best"), "not compared"),  # when people acted
        **dict.fromkeys(("recent", "busy"), "not compared"),  # on the clock of events
    }


def test_views_on_the_wall_clock_are_compared_but_do_not_fail(filled: Pair) -> None:
    filled.copy()
    with open_snapshot(filled.here.dsn) as snapshot:
        snapshot.clock = "wall"
        filled.there.execute("delete from events where event_id = 'e1'")
        found = {each.name: each for each in filled.migration(snapshot).verify()}
    assert found["public.recent"].result == "moved"
    assert found["public.recent"].reason == "it reads now()"
    assert found["public.revenue"].result == "different"


def test_a_row_that_differs_is_shown_on_both_sides(filled: Pair) -> None:
    filled.copy()
    filled.there.write("update events set price = 8 where event_id = 'e4'", now=START)
    with open_snapshot(filled.here.dsn) as snapshot:
        found = {each.name: each for each in filled.migration(snapshot).verify()}
    assert {name for name, each in found.items() if each.result == "different"} == {
        "public.events",
        "public.revenue",
    }
    revenue = found["public.revenue"]
    assert (revenue.only_here, revenue.only_there) == (1, 1)
    assert revenue.sample_here == ("item_id=b, units=1, revenue=0.2",)
    assert revenue.sample_there == ("item_id=b, units=1, revenue=8.0",)


def test_a_view_that_is_not_deployed_there_is_different(filled: Pair) -> None:
    filled.copy()
    filled.there.drop("busy")
    filled.there.drop("revenue")
    found = filled.verify()
    assert found["revenue"] == found["busy"] == "different"
