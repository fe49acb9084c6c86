"""The worker: alone, on one clock that never goes back, with a log of its ticks; it follows deploys while it runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from millstream.engine.inspect import status
from millstream.engine.state.locks import WORKER_LOCK
from millstream.engine.tick.worker import Worker
from millstream.errors import MillstreamError
from tests.engine.engine import Engine, minute
from tests.engine.running import eventually, running

EVENTS = (
    "create table events (id integer primary key, kind varchar, occurred_at timestamptz, received_at timestamptz)"
    " on conflict do nothing"
)
RECENT = (
    "create materialized view recent as select kind, count(*) as n from events"
    " where occurred_at > now() - interval '10 minutes' group by kind"
)


def put(engine: Engine, number: int, at: datetime, received: datetime | None = None) -> None:
    engine.execute("insert into events values (%s, 'a', %s, %s)", [number, at, received or at])


def test_a_second_worker_is_refused(engine: Engine) -> None:
    engine.tick()
    with pytest.raises(MillstreamError, match="another worker keeps this database") as caught:
        Worker(engine.dsn)
    assert "millstream down" in str(caught.value)


def test_a_worker_waits_until_the_session_of_a_killed_one_has_ended(engine: Engine) -> None:
    """The server goes on with the last statement of a client that is gone."""
    engine.release()
    left = psycopg.connect(engine.dsn, autocommit=True)
    left.execute("select pg_advisory_lock(%s)", [WORKER_LOCK])
    left.pgconn.send_query(b"select pg_sleep(1)")
    left.close()
    with Worker(engine.dsn, clock="event") as worker:
        assert worker.conn.execute("show lock_timeout").fetchone() == ("0",)


def test_after_the_first_worker_is_gone_another_may_run(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    engine.write("insert into t values (1)")
    engine.release()
    engine.write("insert into t values (2)")
    assert engine.all("t") == [(1,), (2,)]


def test_an_unknown_clock_is_refused(engine: Engine) -> None:
    with pytest.raises(MillstreamError, match="use wall or event"):
        Worker(engine.dsn, clock="moon")


def test_the_clock_cannot_be_changed_once_it_ran(engine: Engine) -> None:
    engine.deploy(EVENTS)
    put(engine, 1, minute(0))
    engine.tick()
    engine.release()
    with pytest.raises(MillstreamError, match="--clock event"):
        Worker(engine.dsn, clock="wall")


def test_the_clock_may_be_chosen_while_only_tables_are_deployed(database: str) -> None:
    Worker(database).close()
    with Engine(database) as engine:
        engine.deploy(EVENTS)
        Worker(database, clock="event").close()
        put(engine, 1, minute(0))
        assert engine.tick().now == minute(0)


def test_the_event_clock_is_the_greatest_accepted_moment(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    assert engine.tick().now is None
    put(engine, 1, minute(0))
    put(engine, 2, minute(5))
    assert engine.tick().now == minute(5)
    assert engine.all("recent") == [("a", 2)]


def test_the_event_clock_never_goes_back(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(20))
    engine.tick()
    put(engine, 2, minute(12))
    put(engine, 3, minute(1))
    assert engine.tick().now == minute(20)
    assert engine.all("recent") == [("a", 2)]
    assert engine.tick(minute(3)).now == minute(20)


def test_an_event_from_the_future_does_not_move_the_clock(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    put(engine, 2, minute(600), received=minute(0))
    assert engine.tick().now == minute(0)


@pytest.mark.parametrize(
    ("at", "received"),
    [
        ("2100-01-01", None),
        ("2100-01-01", "2030-01-01"),
        ("infinity", "infinity"),
        ("infinity", None),
        ("-infinity", "2030-01-01"),
        ("2030-01-01", None),
        ("2030-01-01", "infinity"),
        ("294276-12-31 23:58", "294276-12-31 23:59"),
        ("20000-01-01", "infinity"),
        ("4713-11-24 BC", "4713-11-24 BC"),
        ("4713-11-24 BC", "-infinity"),
    ],
)
def test_an_event_without_a_time_that_can_be_moves_nothing(
    at: str, received: str | None, engine: Engine
) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    engine.tick()
    engine.execute("insert into events values (2, 'b', %s, %s)", [at, received])
    engine.tick()
    put(engine, 3, minute(1))
    assert engine.tick().now == minute(1)
    assert ("a", 2) in engine.all("recent")


def test_an_event_that_is_deleted_before_the_tick_moves_nothing(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    put(engine, 2, minute(600))
    engine.write("delete from events where id = 2")
    assert engine.tick().now == minute(0)


def test_an_owner_sets_the_event_clock_back(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    put(engine, 2, minute(600))
    assert engine.tick().now == minute(600)
    assert engine.all("recent") == [("a", 1)]
    engine.execute("delete from events where id = 2")
    engine.execute("call millstream.set_clock(%s)", [minute(3)])
    assert engine.tick().now == minute(3)
    assert engine.all("recent") == [("a", 1)]
    put(engine, 3, minute(4))
    assert engine.tick().now == minute(4)
    assert engine.all("recent") == [("a", 2)]
    for wrong in ("null", "'infinity'", "'20000-01-01'", "'0044-03-15 BC'"):
        with pytest.raises(psycopg.errors.RaiseException, match="the clock needs a moment"):
            engine.execute(f"call millstream.set_clock({wrong})")


def test_the_wall_clock_cannot_be_set(database: str) -> None:
    with Worker(database, clock="wall"):
        pass
    with (
        Engine(database) as engine,
        pytest.raises(psycopg.errors.RaiseException, match="wall clock cannot be set"),
    ):
        engine.execute("call millstream.set_clock(now())")


def test_time_alone_removes_rows(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    put(engine, 2, minute(6))
    engine.tick()
    assert engine.all("recent") == [("a", 2)]
    engine.tick(minute(10))
    assert engine.all("recent") == [("a", 1)]
    engine.tick(minute(16))
    assert engine.all("recent") == []


def test_the_wall_clock_moves_without_events(database: str) -> None:
    with Worker(database, clock="wall"):
        pass
    with Engine(database) as engine:
        engine.deploy_all(
            EVENTS,
            "create materialized view soon as select id from events where occurred_at > now() - interval '1 second'",
        )
        engine.release()
        with running(database):
            put(engine, 1, datetime.now(UTC) + timedelta(seconds=2))
            engine.execute("call millstream.flush()")
            assert engine.all("soon") == [(1,)]
            eventually(lambda: engine.all("soon") == [])


def test_every_tick_that_changed_something_is_logged(engine: Engine) -> None:
    engine.deploy_all(EVENTS, "create table t (k integer primary key)")
    put(engine, 1, minute(0))
    engine.write("insert into t values (1), (2)")
    engine.tick()
    put(engine, 2, minute(1))
    engine.tick()
    log = engine.rows("select tick, now, taken, milliseconds > 0 from millstream.tick_log order by tick")
    assert [(row[1], row[2], row[3]) for row in log] == [
        (minute(0), {"events": 1, "t": 2}, True),
        (minute(1), {"events": 1}, True),
    ]
    assert [row[0] for row in log] == sorted({row[0] for row in log})


def test_a_running_worker_follows_deploys(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key, v integer)")
    engine.release()
    with running(engine.dsn):
        engine.execute("insert into t values (1, 10)")
        engine.execute("call millstream.flush()")
        engine.deploy("create materialized view total as select sum(v) as s from t")
        assert engine.value("select s from total") == 10
        engine.execute("insert into t values (2, 5)")
        engine.execute("call millstream.flush()")
        assert engine.value("select s from total") == 15
        engine.deploy("create materialized view total as select sum(v) as s, count(*) as n from t")
        engine.execute("insert into t values (3, 1)")
        engine.execute("call millstream.flush()")
        assert engine.all("total") == [(16, 3)]
        engine.drop("total")
        engine.execute("insert into t values (4, 1)")
        engine.execute("call millstream.flush()")
        assert engine.value("select count(*) from t") == 4


def test_a_running_worker_wakes_when_something_is_written(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    engine.release()
    with running(engine.dsn):
        eventually(
            lambda: (
                engine.value(
                    "select count(*) from pg_stat_activity where query like 'listen%' or wait_event = 'ClientRead'"
                )
                > 0
            )
        )
        engine.execute("insert into t values (1)")
        eventually(lambda: engine.all("t") == [(1,)])


def test_a_worker_stops_when_told_to(engine: Engine) -> None:
    stop = threading.Event()
    with Worker(engine.dsn) as worker:
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_failed_tick_changes_nothing(engine: Engine) -> None:
    """An error that no row can cause stops the worker and leaves everything as it was."""
    engine.deploy_all(
        "create table t (k integer primary key)", "create materialized view v as select count(*) as n from t"
    )
    engine.write("insert into t values (1)")
    number = engine.value("select tick from millstream.clock")
    engine.execute("insert into t values (2)")
    engine.worker.conn.execute("set lock_timeout = '10ms'")
    with psycopg.connect(engine.dsn) as other:
        other.execute('lock table millstream_data."v@1"')
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.tick()
    assert engine.value("select tick from millstream.clock") == number
    assert (engine.all("t"), engine.all("v")) == ([(1,), (2,)], [(1,)])
    engine.tick()
    assert (engine.all("t"), engine.all("v")) == ([(1,), (2,)], [(2,)])


def test_status_shows_the_worker_its_clock_and_what_is_queued(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    put(engine, 1, minute(0))
    engine.tick()
    put(engine, 2, minute(1))
    found = status.read(engine.owner)
    assert (found["clock"], found["worker_connected"], found["queued"]) == ("event", True, {"events": 1})
    assert found["tick"] == engine.value("select tick from millstream.clock")
    rows = engine.value("select count(*) from recent")
    assert [(view["name"], view["rows"]) for view in found["views"]] == [("recent", rows)]
    engine.release()
    eventually(lambda: not status.read(engine.owner)["worker_connected"])


def test_session_tables_are_emptied_after_every_tick(engine: Engine) -> None:
    engine.deploy_all(EVENTS, RECENT)
    for number in range(5):
        put(engine, number, minute(number))
        engine.tick()
    assert engine.worker.program is not None
    for name in [table for relation in engine.worker.program.relations for table in relation.session_tables]:
        row = engine.worker.conn.execute(f"select count(*) from {name}".encode()).fetchone()
        assert row == (0,), name


def test_session_tables_are_small_again_after_many_rows(engine: Engine) -> None:
    """Emptied rows stay where they are until a vacuum, and every later tick would read past them."""
    engine.deploy("create table t (k integer primary key)")
    engine.deploy("create materialized view v as select k, k + 1 as next from t")
    worker = engine.worker
    for thousand in range(3):
        engine.write(f"insert into t select generate_series(1, 1000) + {1000 * thousand}")
    worker.vacuum()
    assert worker.program is not None
    tables = [name for relation in worker.program.relations for name in relation.session_tables]
    sizes = {n: worker.conn.execute("select pg_relation_size(%s::regclass)", [n]).fetchone() for n in tables}
    assert set(sizes.values()) == {(0,)}, sizes


def test_housekeeping_passes_over_a_table_that_was_dropped(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    engine.write("insert into t select generate_series(1, 1500)")
    engine.drop("t")
    engine.worker.housekeep()
    engine.deploy("create table t (k integer primary key)")
    engine.write("insert into t values (1)")
    assert engine.all("t") == [(1,)]


def test_notifications_with_nothing_behind_them_make_no_ticks(engine: Engine) -> None:
    """Anybody who may connect may send them."""
    engine.deploy("create table t (k integer primary key)")
    engine.deploy("create materialized view copied as select k from t")
    engine.release()
    with running(engine.dsn) as worker, psycopg.connect(engine.dsn, autocommit=True) as client:
        worker.clock = "event"  # on the wall clock, time makes ticks
        client.execute("insert into t values (1)")
        client.execute("call millstream.flush()")
        before = engine.value("select tick from millstream.clock")
        for _ in range(500):
            client.execute("notify millstream_queue")
        client.execute("insert into t values (2)")
        client.execute("call millstream.flush()")
        assert engine.all("copied") == [(1,), (2,)]
        # of the insertion, one that finds nothing more, and one that was under way
        assert engine.value("select tick from millstream.clock") - before <= 3


@pytest.mark.parametrize("work", ["insert", "deploy", "clock"])
def test_a_worker_among_forged_notifications_does_what_there_is_to_do(engine: Engine, work: str) -> None:
    engine.deploy(EVENTS)
    put(engine, 1, minute(0))
    engine.tick()
    engine.release()
    with running(engine.dsn), psycopg.connect(engine.dsn, autocommit=True) as client:
        for _ in range(50):
            client.execute("notify millstream_queue")
        if work == "insert":
            put(engine, 2, minute(1))
            client.execute("call millstream.flush()")
        elif work == "deploy":
            engine.deploy(RECENT)
            eventually(lambda: engine.value("select count(*) from recent") == 1)
        else:
            client.execute("call millstream.set_clock(timestamptz '2030-01-01 00:00+00')")
            eventually(
                lambda: engine.value("select extract(year from now)::integer from millstream.clock") == 2030
            )
