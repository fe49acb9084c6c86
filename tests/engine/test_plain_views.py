"""Plain views with constructs that only RisingWave has: PostgreSQL keeps them in its own words."""

from __future__ import annotations

import pytest

from tests.engine.engine import Engine

TABLE = "create table t (k integer, at timestamptz, price integer)"
ROWS = (
    "insert into t values (1, '2030-01-01 00:10+00', 5), (1, '2030-01-01 00:50+00', 7), (2, '2030-01-01 01:20+00', 9),"
    " (2, null, 1)"
)


@pytest.mark.parametrize(
    "query",
    [
        "select window_start, window_end, count(*) as n from tumble(t, at, interval '1 hour') group by 1, 2",
        "select w.k, w.window_start from tumble(public.t, at, interval '1 hour', interval '15 minutes') as w",
        "select window_start, sum(price) as s from hop(t, at, interval '30 minutes', interval '1 hour') group by 1",
        "select t.k, window_end from hop(t, at, interval '1 hour', interval '2 hours', interval '5 minutes')",
        "select k, first_value(price order by at) as a, last_value(price order by at) filter (where price > 1) as b,"
        " approx_count_distinct(price) as c from t group by k",
        "select a.k, a.price, b.price as other from t as a asof join t as b on a.k = b.k and b.at < a.at",
        "select a.k, a.price, b.price as other from t as a asof left join t as b on a.k = b.k and a.at <= b.at"
        " where a.price < 9",
        "select k, jsonb_object_agg(k, price order by price) as o from t group by k",
    ],
)
def test_it_shows_what_a_materialized_view_holds(engine: Engine, query: str) -> None:
    engine.deploy_all(TABLE, f"create view plain as {query}", f"create materialized view kept as {query}")
    engine.write(ROWS)
    plain, kept = engine.rows("select * from plain"), engine.rows("select * from kept")
    assert plain
    assert sorted(map(str, plain)) == sorted(map(str, kept))
