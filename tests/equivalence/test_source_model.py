"""The model of a source relation, by hand-worked examples: it is the ground on which both oracles stand."""

from __future__ import annotations

import pytest

from tests.equivalence.schema import Column, Table
from tests.equivalence.source_model import SourceModel

COLUMNS = (Column("k", "integer"), Column("v", "varchar"))


def model(key: tuple[str, ...] = ("k",), conflict: str | None = None) -> SourceModel:
    return SourceModel(Table("t", COLUMNS, key, conflict))


@pytest.mark.parametrize(
    ("conflict", "expected"), [(None, "new"), ("do update full", "new"), ("do nothing", "old")]
)
def test_a_second_row_of_a_key_is_settled_by_the_rule(conflict: str | None, expected: str) -> None:
    source = model(conflict=conflict)
    source.insert([(1, "old"), (1, "new")])
    source.tick()
    assert list(source.rows.values()) == [(1, expected)]


def test_rows_without_a_key_are_a_bag_and_each_deletion_takes_the_rows_that_it_saw() -> None:
    source = model(key=())
    source.insert([(1, "a"), (1, "a")])
    source.tick()
    source.insert([(1, "a")])
    source.delete("k", 1)
    source.delete("k", 1)
    source.tick()
    assert list(source.rows.values()) == [(1, "a")]


def test_a_statement_does_not_see_what_is_queued() -> None:
    source = model()
    source.insert([(1, "a")])
    source.delete("k", 1)
    source.update("k", 1, "v", "b")
    source.tick()
    assert list(source.rows.values()) == [(1, "a")]


def test_delete_then_insert_of_a_key_in_one_tick_replaces_the_row_under_do_nothing() -> None:
    source = model(conflict="do nothing")
    source.insert([(1, "a")])
    source.tick()
    source.delete("k", 1)
    source.insert([(1, "b")])
    source.tick()
    assert list(source.rows.values()) == [(1, "b")]


def test_null_selects_null() -> None:
    source = model()
    source.insert([(1, None), (2, "a")])
    source.tick()
    source.delete("v", None)
    source.tick()
    assert list(source.rows.values()) == [(2, "a")]
