"""Joins on a running engine: what is looked up has an index, and single rows are found in views."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.engine.engine import Engine
from tests.engine.test_query_plans import read_whole

TABLES = (
    "create table a (id integer primary key, k varchar, n integer)",
    "create table b (id integer primary key, k varchar, n integer)",
    "create table c (k varchar, n integer)",
)


def filled(engine: Engine, *views: str) -> None:
    """Deploy views over three empty tables, then write rows."""
    engine.deploy_all(*TABLES, *views)
    rows = "n, case when n % 9 > 0 then 'K' || n % 500 end, n from generate_series(1, 2000) as n"
    engine.write(f"insert into a select {rows}", f"insert into b select {rows}")
    engine.write("insert into c select 'k' || n % 500, n from generate_series(1, 2000) as n")
    engine.settle()
    engine.worker.conn.execute("analyze")


@pytest.mark.parametrize(
    "query",
    [
        "select a.id as x, b.id as y from a join b on a.k is not distinct from b.k and a.n is not distinct from b.n",
        "select a.id as x, b.id as y from a left join b on a.k is not distinct from b.k and a.n = b.n",
        "select a.id as x from a where not exists (select 1 from b where b.k is not distinct from a.k and b.n > 3)",
        "select a.id as x, c.n as y from a join c on lower(a.k) = c.k and a.n = c.n",
        "select a.id as x, u.n as y from a join (select k, n from b union all select upper(k), n from c) as u"
        " on u.k = a.k and u.n = a.n",
        "select a.id as x, b.id as y, c.n as z from a, b, c where a.n = c.n and b.n = c.n and a.k > 'K3'",
        "select a.id as x, b.id as y from a, b where (a.n = b.n and a.k = 'K1') or (b.n = a.n and b.k = 'K2')",
    ],
)
def test_a_changed_row_looks_the_other_side_up_by_an_index(engine: Engine, query: str) -> None:
    filled(engine, f"create materialized view v as {query}")
    assert read_whole(engine.worker) == {}
    assert engine.all("v") == sorted_rows(engine, query)
    engine.write(
        "update a set k = null where id < 30", "delete from b where id % 7 = 0", "delete from c where n < 50"
    )
    engine.settle()
    assert engine.all("v") == sorted_rows(engine, query)


def sorted_rows(engine: Engine, query: str) -> Sequence[tuple[object, ...]]:
    return sorted(engine.rows(query), key=lambda row: [(value is None, value) for value in row])


def test_a_view_that_has_one_row_is_joined_to_every_row(engine: Engine) -> None:
    engine.deploy_all(
        *TABLES,
        "create materialized view most as select max(n) as n from b",
        "create view least as select min(n) as n from b",
        "create materialized view newest as select n, k from c order by n desc, k limit 1",
        "create materialized view shown as select a.id, most.n as most, least.n as least, newest.k as newest"
        " from most, a cross join least left join newest on newest.n > a.n",
        "create materialized view between_them as select a.id from a, most, least where a.n < most.n and a.n > least.n",
    )
    engine.write(
        "insert into a values (1, 'x', 1), (2, 'y', 5), (3, 'z', null)", "insert into b values (1, 'x', 2)"
    )
    assert engine.all("shown") == [(1, 2, 2, None), (2, 2, 2, None), (3, 2, 2, None)]
    assert engine.all("between_them") == []
    engine.write("insert into b values (2, 'x', 9)", "insert into c values ('c', 3)")
    assert engine.all("shown") == [(1, 9, 2, "c"), (2, 9, 2, None), (3, 9, 2, None)]
    assert engine.all("between_them") == [(2,)]
    engine.write("delete from b", "insert into c values ('d', 7)")
    assert engine.all("shown") == [(1, None, None, "d"), (2, None, None, "d"), (3, None, None, None)]
    assert engine.all("between_them") == []


def test_a_key_that_no_index_can_compute_is_left_out_of_it(engine: Engine) -> None:
    """A number joined to text is written as the session says, so PostgreSQL refuses it in an index."""
    query = "select a.id as x, b.id as y from a join b on a.k = b.k and a.n || '!' = b.n || '!'"
    filled(engine, f"create materialized view v as {query}")
    assert engine.all("v") == sorted_rows(engine, query)
    assert read_whole(engine.worker) == {}
