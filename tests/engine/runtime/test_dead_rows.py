"""A row whose value no view can compute, even with NULLs, is set aside alone; everything else goes on."""

from __future__ import annotations

from typing import Any

import pytest

from millstream.errors import MillstreamError
from tests.engine.engine import Engine

KEYED = "create table t (k integer primary key, g integer, a integer)"
FIRST_WINS = f"{KEYED} on conflict do nothing"
BAG = "create table t (k integer, g integer, a integer)"
BIG = 2_000_000_000  # twice this leaves the range of integer


def dead(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select relation, payload ->> 'k', error from millstream.dead_row order by tick, 2")


def put(engine: Engine, *rows: tuple[int, int, int]) -> None:
    with engine.client.cursor() as cursor:
        cursor.executemany("insert into t values (%s, %s, %s)", rows)


@pytest.mark.parametrize("table", [KEYED, FIRST_WINS, BAG], ids=["last wins", "first wins", "bag"])
def test_the_bad_rows_of_any_source_are_set_aside(table: str, engine: Engine) -> None:
    engine.deploy_all(table, "create materialized view doubled as select k, a * 2 as x from t")
    put(engine, *((k, 0, BIG if k in {3, 17, 18} else k) for k in range(1, 21)))
    assert engine.tick().rows == 17
    assert engine.all("doubled") == [(k, 2 * k) for k in range(1, 21) if k not in {3, 17, 18}]
    assert [row[:2] for row in dead(engine)] == [("t", "3"), ("t", "17"), ("t", "18")]
    assert all("integer out of range" in row[2] for row in dead(engine))
    put(engine, (30, 0, 1))
    assert engine.tick().rows == 1
    assert (30, 2) in engine.all("doubled")


def test_json_that_is_nested_too_deeply_stops_nothing(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, payload varchar)",
        "create materialized view fields as select k, payload::jsonb ->> 'a' as a from t",
    )
    deep = "[" * 200_000 + "]" * 200_000
    with engine.client.cursor() as cursor:
        cursor.executemany("insert into t values (%s, %s)", [(1, '{"a": "x"}'), (2, deep), (3, '{"a": "y"}')])
    engine.tick()
    assert engine.all("fields") == [(1, "x"), (3, "y")]
    assert [row[:2] for row in dead(engine)] == [("t", "2")]


def test_an_update_that_cannot_be_computed_is_kept_and_leaves_the_view_as_it_was(engine: Engine) -> None:
    engine.deploy_all(KEYED, "create materialized view doubled as select k, a * 2 as x from t")
    put(engine, (1, 0, 5))
    engine.tick()
    engine.write(f"update t set a = {BIG} where k = 1")
    assert (engine.all("t"), engine.all("doubled")) == ([(1, 0, BIG)], [(1, 10)])
    assert [row[:2] for row in dead(engine)] == [
        ("t", "1")
    ] * 2  # as it was and as it is * 2  # as it was and as it is


@pytest.mark.parametrize(
    "views",
    [
        [
            "create materialized view totals as select g, sum(a) as s from t group by g",
            "create materialized view v as select g, s * 5000000000 as x from totals",
        ],
        [
            "create materialized view v as select g, max(a * 2) as x from t group by g",
            "create materialized view above as select count(*) as n, max(x) as m from v",
        ],
        ["create materialized view v as select l.k, l.a + r.a as x from t as l join t as r on r.g = l.g"],
        [
            "create view plain as select k, g, a * 2 as b from t",
            "create materialized view v as select k, row_number() over (partition by g order by b, k) as n from plain",
        ],
    ],
    ids=["above an aggregate", "below an aggregate", "in a join", "in an order"],
)
def test_a_failure_in_the_middle_of_the_graph_finds_its_source_row(views: list[str], engine: Engine) -> None:
    engine.deploy_all(BAG, *views)
    put(engine, (1, 1, 1), (2, 2, 1), (3, 2, BIG), (4, 2, 2), (5, 3, 3))
    engine.tick()
    (found,) = dead(engine)
    assert found[:2] == ("t", "3")
    before = {name: engine.all(name) for name in ("t", "v")}
    engine.deploy(views[-1].replace("view v as", "view w as").replace("view above as", "view w as"))
    assert engine.all("w") == (before["v"] if " v as" in views[-1] else engine.all("above"))


def test_of_rows_that_only_fail_together_the_later_one_is_set_aside(engine: Engine) -> None:
    engine.deploy_all(
        BAG, "create materialized view v as select g, sum(a) * 4000000000 as x from t group by g"
    )
    put(engine, (1, 1, 1_500_000_000), (2, 2, 7), (3, 1, 1_500_000_000), (4, 2, 1))
    assert engine.tick().rows == 3
    assert [row[:2] for row in dead(engine)] == [("t", "3")]
    assert engine.all("v") == [(1, 6_000_000_000_000_000_000), (2, 32_000_000_000)]


def test_rows_of_another_source_are_not_blamed(engine: Engine) -> None:
    engine.deploy_all(
        BAG,
        "create table u (g integer primary key, f integer)",
        "create materialized view v as select t.k, t.a * u.f as x from t join u on u.g = t.g",
    )
    engine.execute("insert into u values (1, 2), (2, 3)")
    put(engine, (1, 1, BIG), (2, 2, 5))
    engine.tick()
    # t is taken first, while u is still empty: so it is the row of u that cannot be computed with what is there.
    assert [row[0] for row in dead(engine)] == ["u"]
    assert engine.all("v") == [(2, 15)]
    assert len(engine.all("t")) == 2


def test_after_a_bad_row_ticks_grow_again(engine: Engine) -> None:
    engine.deploy_all(BAG, "create materialized view v as select k, a * 2 as x from t")
    engine.execute(
        f"insert into t select n, 0, case n when 2 then {BIG} else n end from generate_series(1, 600) as n"
    )
    before = engine.value("select tick from millstream.clock")
    assert engine.tick().rows == 599
    assert engine.value("select tick from millstream.clock") - before < 40


def test_a_view_over_a_row_that_it_cannot_compute_is_not_built(engine: Engine) -> None:
    engine.deploy(BAG)
    put(engine, (1, 1, BIG))
    engine.tick()
    with pytest.raises(
        MillstreamError, match="already stored cannot be computed: integer out of range"
    ) as caught:
        engine.deploy("create materialized view v as select k, a * 2 as x from t")
    assert "hint: widen the arithmetic" in str(caught.value)
    assert engine.states() == ["t"]
    engine.deploy("create materialized view v as select k, a::bigint * 2 as x from t")
    assert engine.all("v") == [(1, 2 * BIG)]
