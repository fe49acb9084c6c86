"""Calls that stand for failing operations, in the SQL that generated histories run."""

from __future__ import annotations

from tests.equivalence.lenient import as_operations, may_fail


def test_calls_become_the_operations_that_they_stand_for() -> None:
    sql = "select try_divide(a, try_modulo((b + 1), 2)) as c0, try_integer(coalesce(s, ',)')) as c1 from t"
    assert as_operations(sql) == (
        "select (a / ((b + 1) % 2)) as c0, cast(coalesce(s, ',)') as integer) as c1 from t"
    )
    assert may_fail(sql)
    assert not may_fail(as_operations(sql))
