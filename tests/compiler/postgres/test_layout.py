"""SQL over several lines says what it says on one."""

from __future__ import annotations

import pytest

from millstream.compiler.postgres.layout import clause, lines, nested, union_all, where


def test_a_subquery_is_indented_and_empty_clauses_are_left_out() -> None:
    query = lines(
        "SELECT a", f"FROM {nested(lines('SELECT *', 'FROM t', where([])))} AS s", where(["a > 1", "b"])
    )
    assert query.split("\n") == [
        "SELECT a",
        "FROM (",
        "    SELECT *",
        "    FROM t",
        ") AS s",
        "WHERE a > 1 AND b",
    ]


@pytest.mark.parametrize(
    "quoted", ["'one\ntwo'", '"one\ntwo"', "'it''s\n\"'", '"a \'quoted\nname"', "e'one''\ntwo'"]
)
def test_a_line_break_in_quotes_stays_what_it_is(quoted: str) -> None:
    assert quoted in nested(nested(lines(f"SELECT {quoted}", "FROM t")))


def test_a_long_list_has_an_item_a_line() -> None:
    assert clause("SELECT", ["a", "b"]) == "SELECT a, b"
    assert clause("SELECT", []) == "SELECT"
    names = [f"a_rather_long_name_{number}" for number in range(5)]
    assert clause("SELECT", names).split("\n") == [
        "SELECT",
        *(f"    {name}," for name in names[:-1]),
        f"    {names[-1]}",
    ]


def test_queries_stand_one_below_the_other() -> None:
    assert union_all(["SELECT 1", "SELECT 2"]) == "SELECT 1\nUNION ALL\nSELECT 2"
