"""`call millstream.flush()`: read your own writes."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.engine.engine import Engine
from tests.engine.running import running

TABLE = "create table t (k integer primary key, v varchar)"
VIEW = "create materialized view v as select v, count(*) as n from t group by v"


def test_after_a_flush_the_views_show_what_was_committed_before(engine: Engine) -> None:
    engine.deploy_all(TABLE, VIEW)
    engine.release()
    with running(engine.dsn):
        for number in range(20):
            engine.execute("insert into t values (%s, 'a')", [number])
            engine.execute("call millstream.flush()")
            assert engine.all("v") == [("a", number + 1)]


def test_flush_returns_at_once_when_nothing_is_queued(engine: Engine) -> None:
    engine.deploy_all(TABLE, VIEW)
    engine.execute("call millstream.flush('0 seconds')")


def test_flush_waits_for_the_tick(engine: Engine) -> None:
    engine.deploy_all(TABLE, VIEW)
    engine.execute("insert into t values (1, 'a')")
    with psycopg.connect(engine.dsn, autocommit=True) as other:
        waiting = threading.Thread(target=other.execute, args=("call millstream.flush()",))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        engine.tick()
        waiting.join(30)
        assert not waiting.is_alive()


def test_flush_gives_up_in_time_and_says_where_to_look(engine: Engine) -> None:
    engine.deploy_all(TABLE, VIEW)
    engine.execute("insert into t values (1, 'a')")
    with pytest.raises(psycopg.errors.RaiseException, match="did not catch up within") as caught:
        engine.execute("call millstream.flush('200 milliseconds')")
    assert "millstream status" in str(caught.value.diag.message_hint)
    engine.tick()
    engine.execute("call millstream.flush('0 seconds')")


def test_flush_of_rows_of_the_own_open_transaction_is_an_error(engine: Engine) -> None:
    engine.deploy_all(TABLE, VIEW)
    with (
        pytest.raises(psycopg.errors.RaiseException, match="rows of this transaction") as caught,
        engine.client.transaction(),
    ):
        engine.execute("insert into t values (1, 'a')")
        engine.execute("call millstream.flush()")
    assert "commit before" in str(caught.value.diag.message_hint)


def test_flush_does_not_wait_for_what_others_write_later(engine: Engine) -> None:
    """A busy shop must not keep a reader waiting."""
    engine.deploy_all(TABLE, VIEW)
    with psycopg.connect(engine.dsn) as other:
        other.execute("insert into t values (1, 'open')")
        engine.execute("call millstream.flush('5 seconds')")
        other.rollback()
