"""A view that is built beside what runs: ticks go on between its steps, and it comes out as if built at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.deploy import amounts
from millstream.engine.deploy.beside import Steps
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.inspect import status
from millstream.errors import MillstreamError, Refused
from tests.engine.engine import VIEW, Engine, minute
from tests.engine.running import PATIENCE, eventually, running

T = "create table t (k integer primary key, g integer, a integer)"
OTHER = "create table u (g integer primary key, name varchar)"
JOINED = "create materialized view v as select t.k, t.a, u.name from t left join u on u.g = t.g"
LARGE = "insert into x values (3, 0, 1e300), (4, 0, -1e300)"
SUMS = "create materialized view sums as select name, count(*) as n, sum(a) as s from v group by name"


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every view reads more than can be built in the place of a tick."""
    monkeypatch.setattr(amounts, "AT_ONCE", -1)


@pytest.fixture
def shop(engine: Engine) -> Engine:
    engine.deploy_all(T, OTHER)
    engine.write(
        "insert into t select n, n % 3, n from generate_series(1, 30) as n",
        "insert into u values (0, 'zero'), (1, 'one')",
    )
    return engine


def building(engine: Engine, statement: str, **options: object) -> Steps:
    found = VIEW.fullmatch(statement)
    assert found is not None
    return deploy.deploying_view(engine.owner, found["name"], found["query"], **options)


def finished(steps: Steps, between: Callable[[int], object] = lambda _: None) -> Deployed:
    """Do all steps, and something after each."""
    number = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            deployed: Deployed = end.value
            return deployed
        number += 1
        between(number)


def changing(engine: Engine) -> Callable[[int], object]:
    """Change both tables and tick; what is inserted, changed and deleted is different each time."""

    def change(n: int) -> None:
        engine.write(
            f"insert into t values ({100 + n}, {n % 4}, {n})",
            f"update t set a = a + 1000, g = (g + 1) % 3 where k = {n}",
            f"delete from t where k = {30 - n}",
            f"insert into u values (2, 'two {n}') on conflict (g) do update set name = excluded.name",
            f"delete from u where g = {n % 2}",
        )

    return change


def is_clean(engine: Engine, *states: str) -> bool:
    """Nothing of a build is left but these versions."""
    logs = {name for name in engine.stored_tables() if name.endswith("__log")}
    invalid = engine.value("select count(*) from pg_index where not indisvalid")
    built = engine.value("select count(*) from millstream.build")
    return (engine.states(), logs, invalid, built) == (sorted(states), set(), 0, 0)


# ---- ticks meanwhile -------------------------------------------------------------------------------------------------


def test_ticks_between_every_two_steps_leave_no_trace(shop: Engine) -> None:
    deployed = finished(building(shop, JOINED), changing(shop))
    assert (deployed.action, deployed.rebuilt) == ("created", ())
    expected = shop.rows("select t.k, t.a, u.name from t left join u on u.g = t.g order by 1")
    assert shop.all("v") == expected
    changing(shop)(20)
    assert shop.all("v") == shop.rows("select t.k, t.a, u.name from t left join u on u.g = t.g order by 1")
    assert is_clean(shop, "t", "u", "v@1")


def test_readers_are_built_with_it_and_shown_with_it(shop: Engine) -> None:
    shop.deploy_all(JOINED, SUMS)
    shown: list[bool] = []

    def change(n: int) -> None:
        changing(shop)(n)
        of_views = shop.rows("select name, count(*), sum(a) from v group by name order by 1")
        shown.append(shop.all("sums") == of_views)

    deployed = finished(building(shop, JOINED.replace("t.a", "t.a * 2 as a")), change)
    assert deployed.rebuilt == ("sums",)
    assert len(shown) > 4 and all(shown)
    expected = "select u.name, count(*), sum(a * 2) from t left join u on u.g = t.g group by name order by 1"
    assert shop.all("sums") == shop.rows(expected)
    assert is_clean(shop, "t", "u", "v@2", "sums@2")


def test_old_version_stays_until_the_end(shop: Engine) -> None:
    shop.deploy(JOINED)
    steps = building(shop, JOINED.replace("t.a", "-t.a as a"))
    for _ in range(3):
        next(steps)
    shop.write("insert into t values (50, 0, 50)")
    assert shop.rows("select a from v where k = 50") == [(50,)]
    finished(steps)
    assert shop.rows("select a from v where k = 50") == [(-50,)]


def test_time_passes_while_a_view_is_built(engine: Engine) -> None:
    engine.deploy("create table e (k integer primary key, at timestamptz)")
    every_minute = "insert into e select n, %s + n * interval '1 minute' from generate_series(0, 60) as n"
    engine.execute(every_minute, [minute(0)])
    engine.tick(minute(10))
    recent = (
        "create materialized view recent as select k from e"
        " where at > now() - interval '30 minutes' and at <= now()"
    )
    finished(building(engine, recent), lambda n: engine.tick(minute(10 + 6 * n)))
    now = engine.value("select now from millstream.clock")
    assert now >= minute(30)
    of_now = "select k from e where at > %s - interval '30 minutes' and at <= %s order by k"
    assert engine.all("recent") == engine.rows(of_now, [now, now])
    engine.tick(minute(70))
    assert engine.all("recent") == engine.rows(of_now, [minute(70), minute(70)])


def test_what_acts_meanwhile_is_looked_up_when_it_is_taken_over(shop: Engine) -> None:
    once = (
        "create materialized view met as select t.k, u.name from t"
        " left join u for system_time as of proctime() as u on u.g = t.g"
    )
    steps = building(shop, once)
    left = next(steps).left
    assert left
    while next(steps).what != "filled":
        pass
    shop.write("update u set name = 'new' where g = 0")
    shop.write("insert into t values (60, 0, 0)")
    finished(steps)
    assert shop.rows("select k, name from met where k in (3, 60) order by k") == [(3, "zero"), (60, "new")]
    shop.write("insert into t values (61, 0, 0)", "delete from t where k = 60")
    assert shop.rows("select k, name from met where k >= 60") == [(61, "new")]


def test_python_is_called_outside_of_transactions(shop: Engine, tmp_path: Path) -> None:
    code = "def twice(a):\n    return None if a is None else 2 * a\n"
    shop.deploy_python(tmp_path / "udfs" / "twice.py", "twice", "a integer", "integer", code)
    seen: list[str] = []

    def change(n: int) -> None:
        changing(shop)(n)
        idle = "select count(*) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"
        seen.append(shop.value(idle))

    finished(building(shop, "create materialized view d as select k, twice(a) as b from t"), change)
    assert shop.all("d") == shop.rows("select k, 2 * a from t order by k")
    assert set(seen) == {0}


def test_a_value_that_cannot_be_computed_costs_itself_while_a_view_is_built(shop: Engine) -> None:
    """Whether it is there when the view is filled, or comes later."""
    shop.write("insert into t values (200, 0, 2000000000)")

    def change(n: int) -> None:
        shop.write(f"insert into t values ({200 + n}, 0, {2_000_000_000 if n % 2 else n})")

    finished(building(shop, "create materialized view d as select k, a * 2 as b from t"), change)
    assert shop.rows("select k, b from d where k between 200 and 204 order by k") == [
        (200, None),
        (201, None),
        (202, 4),
        (203, None),
        (204, 8),
    ]
    assert shop.rows("select model, message from millstream.evaluation_errors") == [
        ("d", "integer out of range")
    ]


@pytest.mark.parametrize("early", [True, False])
def test_a_key_that_cannot_be_computed_costs_itself_while_a_view_is_built(shop: Engine, early: bool) -> None:
    """The deviation of its values cannot be computed, however its changes come."""
    shop.deploy("create table x (k integer primary key, g integer, x double precision)")
    shop.write("insert into x values (1, 0, 1), (2, 1, 1)", *([LARGE] if early else []))
    spread = "create materialized view spread as select g, stddev_pop(x) as s, max(k) as m from x group by g"

    def change(n: int) -> None:
        shop.write(f"insert into x values ({10 + n}, 1, {n})", *([LARGE] if n == 3 and not early else []))

    finished(building(shop, spread), change)
    assert [row[0] for row in shop.all("spread")] == [1]
    assert shop.rows("select key from millstream.dead_key") == [(["0"],)]
    shop.write("delete from x where k in (3, 4)")
    assert [row[0] for row in shop.all("spread")] == [0, 1]
    assert shop.rows("select key from millstream.dead_key") == []


def test_a_key_comes_back_while_a_view_is_built(shop: Engine) -> None:
    shop.deploy("create table x (k integer primary key, g integer, x double precision)")
    shop.write("insert into x values (1, 0, 1), (2, 1, 1)", LARGE)
    spread = "create materialized view spread as select g, stddev_pop(x) as s, max(k) as m from x group by g"
    steps = building(shop, spread)
    while next(steps).what != "filled":
        pass
    assert shop.rows("select key from millstream.dead_key") == [(["0"],)]
    shop.write("delete from x where k in (3, 4)")
    finished(steps)
    assert [row[0] for row in shop.all("spread")] == [0, 1]
    assert shop.rows("select key from millstream.dead_key") == []


def test_a_sink_goes_on_from_the_new_version(shop: Engine) -> None:
    shop.deploy_all("create table kept (k integer primary key, a integer)")
    shop.deploy("create materialized view v as select k, a from t")
    shop.deploy("create sink s into kept from v")
    shop.tick()
    finished(building(shop, "create materialized view v as select k, a * 1 as a from t"), changing(shop))
    shop.write("insert into t values (500, 0, 5)")
    shop.settle()
    assert shop.rows("select a from kept where k = 500") == [(5,)]


def test_a_feed_goes_on_from_the_new_version(shop: Engine) -> None:
    shop.deploy_all(JOINED, "create view names as select k, name from v")
    finished(building(shop, JOINED.replace("t.a", "t.a + 1 as a")), changing(shop))
    assert shop.all("names") == shop.rows("select k, name from v order by k")


def test_columns_are_added_to_a_table_while_its_readers_are_built(shop: Engine) -> None:
    shop.deploy_all(JOINED, "create materialized view all_of_t as select k, g, a from t")
    deployed = shop.deploy(T.replace("a integer)", "a integer, b integer)"))
    assert (deployed.action, set(deployed.rebuilt)) == ("replaced", {"v", "all_of_t"})
    shop.write("insert into t values (70, 0, 1, 9)")
    assert shop.rows("select * from all_of_t where k = 70") == [(70, 0, 1)]


def test_a_worker_that_starts_meanwhile_logs_what_it_changes(shop: Engine) -> None:
    def change(n: int) -> None:
        shop.release()
        changing(shop)(n)

    finished(building(shop, JOINED), change)
    assert shop.all("v") == shop.rows("select t.k, t.a, u.name from t left join u on u.g = t.g order by 1")


# ---- other deployments -----------------------------------------------------------------------------------------------


@pytest.fixture
def second(shop: Engine) -> Iterator[psycopg.Connection]:
    with deploy.connect(shop.dsn) as connection:
        yield connection


def test_a_second_deployment_waits_and_is_told_for_whom(shop: Engine, second: psycopg.Connection) -> None:
    steps = building(shop, JOINED)
    next(steps)
    told: list[str] = []
    thread = threading.Thread(
        target=deploy.deploy_view, args=(second, "w", "select k from t"), kwargs={"tell": told.append}
    )
    thread.start()
    eventually(lambda: bool(told))
    assert told[0].startswith("waiting for the deployment of public.v (")
    finished(steps)
    thread.join(PATIENCE)
    assert len(shop.all("w")) == 30
    assert is_clean(shop, "t", "u", "v@1", "w@1")


def test_a_second_deployment_waits_no_longer_than_its_limit(shop: Engine, second: psycopg.Connection) -> None:
    steps = building(shop, JOINED)
    next(steps)
    second.execute("set lock_timeout = '200ms'")
    with pytest.raises(MillstreamError, match=r"the deployment of public\.v .* longer than the 0\.2 s"):
        deploy.drop(second, "t", cascade=True)
    finished(steps)
    assert len(shop.all("v")) == 30


def test_status_shows_how_far_a_build_is(shop: Engine) -> None:
    assert status.read(shop.owner)["building"] is None
    seen = []
    finished(building(shop, JOINED), lambda _: seen.append(status.read(shop.client)["building"]))
    found = [each["doing"] for each in seen if each is not None]
    assert found[0] == "begins"
    assert re.fullmatch(r"building v@1\S*, 1 of \d+", found[-1] if len(found) < 3 else found[2])
    assert seen[-1] is None


def test_progress_is_told(shop: Engine) -> None:
    told: list[str] = []
    shop.deploy(JOINED, tell=told.append)
    assert any(line.startswith("building v@1") for line in told)
    assert any(line.startswith("took 0 changes over") for line in told)


# ---- what ends early -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps_done", [1, 2, 3, 4])
def test_a_build_that_is_given_up_leaves_nothing(shop: Engine, steps_done: int) -> None:
    steps = building(shop, JOINED)
    for _ in range(steps_done):
        next(steps)
        changing(shop)(steps_done)
    steps.close()
    assert is_clean(shop, "t", "u")
    finished(building(shop, JOINED), changing(shop))
    assert shop.all("v") == shop.rows("select t.k, t.a, u.name from t left join u on u.g = t.g order by 1")


@pytest.mark.parametrize("by", ["worker", "deployment"])
def test_what_a_killed_deployment_built_is_removed(shop: Engine, second: psycopg.Connection, by: str) -> None:
    steps = building(shop, JOINED)
    for _ in range(4):
        next(steps)
    shop.execute("select pg_terminate_backend(%s)", [shop.owner.info.backend_pid])
    eventually(
        lambda: (
            shop.value("select count(*) from pg_locks where locktype = 'advisory' and objid = 1651862628")
            == 0
        )
    )
    with pytest.raises(psycopg.OperationalError):
        next(steps)
    if by == "deployment":
        deploy.deploy_view(second, "w", "select k from t")
        assert is_clean(shop, "t", "u", "w@1")
    else:
        shop.release()
        with running(shop.dsn):
            eventually(
                lambda: bool(shop.execute("update t set a = a + 1 where k = 2")) and is_clean(shop, "t", "u")
            )


def test_a_statement_that_is_cancelled_ends_the_build(shop: Engine) -> None:
    steps = building(shop, JOINED)
    next(steps)
    blocker = psycopg.connect(shop.dsn)
    blocker.execute("lock table millstream_data.t in access exclusive mode")
    failures: list[BaseException] = []

    def go_on() -> None:
        try:
            finished(steps)
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    waits = "select count(*) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    eventually(lambda: shop.value(waits, [shop.owner.info.backend_pid]) == 1)
    shop.owner.cancel_safe()
    thread.join(PATIENCE)
    blocker.close()
    assert [type(error) for error in failures] == [psycopg.errors.QueryCanceled]
    assert is_clean(shop, "t", "u")


def test_a_server_that_crashes_has_no_build_any_more(shop: Engine) -> None:
    """Logs are unlogged: after a crash they are empty, and the build has ended with its session."""
    steps = building(shop, JOINED)
    next(steps)
    kind = "select distinct relpersistence::text from pg_class where relname like '%\\_\\_log'"
    assert shop.rows(kind) == [("u",)]
    steps.close()


def test_a_worker_of_another_release_is_noticed(shop: Engine) -> None:
    steps = building(shop, JOINED)
    next(steps)
    shop.worker.tick()
    shop.owner.execute("update millstream.clock set tick = tick + 1")  # as a tick that logs nothing
    with pytest.raises(MillstreamError, match="the worker runs another version"):
        finished(steps)
    assert is_clean(shop, "t", "u")


def test_what_is_refused_in_the_end_is_refused_in_the_beginning(shop: Engine) -> None:
    shop.deploy_all(JOINED, "create view names as select name from v")
    with pytest.raises((Refused, MillstreamError), match="names"):
        next(building(shop, "create materialized view v as select k from t"))
    assert is_clean(shop, "t", "u", "v@1")
    assert len(shop.all("names")) == 30
