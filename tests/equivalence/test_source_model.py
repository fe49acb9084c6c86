"""The model of a source relation, by hand-worked examples: it is the ground on which both oracles stand."""

from __future__ import annotations

import pytest

from tests.equivalence.schema import Column, Table
from tests.equivalence.source_model import SourceModel

COLUMNS = (Column("k", "integer"), Column("v", "varchar"))


def model(
    key: tuple[str, ...] = ("k",), conflict: str | None = None, versions: tuple[str, ...] = ()
) -> SourceModel:
    return SourceModel(Table("t", COLUMNS, key, conflict, versions=versions))


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [(None, "new"), ("do update full", "new"), ("do update if not null", "new"), ("do nothing", "old")],
)
def test_a_second_row_of_a_key_is_settled_by_the_rule(conflict: str | None, expected: str) -> None:
    source = model(conflict=conflict)
    source.insert([(1, "old"), (1, "new")])
    assert list(source.rows.values()) == [(1, expected)]


def test_rows_without_a_key_are_a_bag() -> None:
    source = model(key=())
    source.insert([(1, "a"), (1, "a")])
    source.delete("k", 1)
    source.delete("k", 1)
    source.insert([(1, "a")])
    assert list(source.rows.values()) == [(1, "a")]


def test_a_statement_sees_what_was_written_before_it() -> None:
    source = model()
    source.insert([(1, "a"), (2, "a")])
    source.update("k", 1, "v", "b")
    source.delete("v", "a")
    assert list(source.rows.values()) == [(1, "b")]


def test_delete_then_insert_of_a_key_replaces_the_row_under_do_nothing() -> None:
    source = model(conflict="do nothing")
    source.insert([(1, "a")])
    source.delete("k", 1)
    source.insert([(1, "b")])
    assert list(source.rows.values()) == [(1, "b")]


def test_a_null_keeps_the_stored_value_where_the_table_says_so() -> None:
    source = model(conflict="do update if not null")
    source.insert([(1, "a"), (1, None)])
    assert list(source.rows.values()) == [(1, "a")]


@pytest.mark.parametrize(("second", "expected"), [("a", "b"), ("b", "b"), ("c", "c"), (None, "b")])
def test_an_older_version_is_left_out_and_null_is_older_than_any(second: str | None, expected: str) -> None:
    source = model(versions=("v",))
    source.insert([(1, "b"), (1, second)])
    assert list(source.rows.values()) == [(1, expected)]
    source.insert([(2, None), (2, second)])
    assert source.rows[(2,)] == (2, second)


def test_null_selects_null() -> None:
    source = model()
    source.insert([(1, None), (2, "a")])
    source.delete("v", None)
    assert list(source.rows.values()) == [(2, "a")]
