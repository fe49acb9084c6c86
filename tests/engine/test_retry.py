"""What was set aside comes back when it is tried again and its cause is mended; what fails again says why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from millstream.engine.inspect import status
from millstream.engine.retry import Retried, retry
from millstream.errors import MillstreamError
from tests.engine.engine import Engine

T = "create table t (k integer primary key, g integer, x double precision)"
SPREAD = "create materialized view spread as select g, stddev_pop(x) as s, max(k) as m from t group by g"


@contextmanager
def running(engine: Engine) -> Iterator[None]:
    """Let the worker run in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=engine.worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


@pytest.fixture
def spread(engine: Engine) -> Engine:
    engine.deploy_all(T, SPREAD, "create materialized view above as select g from spread")
    engine.write("insert into t values (1, 1, 1), (2, 2, 1e300), (3, 2, -1e300), (4, 3, 1e300), (5, 3, 1)")
    return engine


def test_a_key_is_computed_again_where_nothing_has_changed(spread: Engine) -> None:
    """The rows are mended behind the engine's back, as a new release of PostgreSQL or of a function would."""
    assert [row[0] for row in spread.all("spread")] == [1]
    assert status.read(spread.owner)["dead_keys"] == {"spread": 2}
    spread.owner.execute("update millstream_data.t set x = 1 where g = 3")
    with running(spread):
        found = retry(spread.owner)
    assert found == [Retried("keys", "spread", 1, 1, "value out of range: overflow")]
    assert [row[0] for row in spread.all("spread")] == [1, 3]
    assert spread.all("above") == [(1,), (3,)]
    assert spread.rows("select key from millstream.dead_key") == [(["2"],)]
    spread.owner.execute("update millstream_data.t set x = 1 where g = 2")
    with running(spread):
        assert retry(spread.owner, "spread") == [Retried("keys", "spread", 1, 0)]
        assert retry(spread.owner) == []


def test_without_a_worker_keys_wait_for_it(spread: Engine) -> None:
    spread.owner.execute("update millstream_data.t set x = 1 where g > 1")
    spread.release()
    (found,) = retry(spread.owner)
    assert (found.back, found.left) == (0, 2)
    assert "worker" in found.error
    spread.tick()
    assert [row[0] for row in spread.all("spread")] == [1, 2, 3]


def test_a_suspended_view_is_built_again_with_what_reads_it(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view v as select k, x from t",
        "create materialized view w as select k from v",
        "create materialized view other as select k from t",
    )
    engine.write("insert into t values (1, 1, 1)")
    engine.owner.execute('alter table millstream_data."v@1" rename column x to y')
    engine.write("insert into t values (2, 1, 1)")
    (found,) = status.read(engine.owner)["suspended"]
    assert (found["name"], found["readers"]) == ("v", ["w"])
    assert (len(engine.all("w")), len(engine.all("other"))) == (1, 2)
    assert retry(engine.owner, "other") == []
    assert retry(engine.owner) == [Retried("view", "v", 1, 0)]
    engine.write("insert into t values (3, 1, 1)")
    assert (len(engine.all("v")), len(engine.all("w"))) == (3, 3)
    assert status.read(engine.owner)["suspended"] == []


def test_rows_that_an_earlier_release_could_not_take_are_written(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view v as select k, g, x from t")
    engine.write("insert into t values (1, 1, 1), (2, 1, 1)")
    payloads = (
        '{"_seq": 1, "_op": "i", "k": 5, "g": 1, "x": 2}',
        '{"_seq": 2, "_op": "u", "k": 1, "g": 7, "x": 2}',
        '{"_seq": 3, "_op": "d", "k": 2, "g": 1, "x": 1}',
        '{"_seq": 4, "_op": "i", "k": null, "g": 1, "x": 1}',
        '{"topic": "shop", "partition": 0, "offset": 1, "key": null, "payload": "x"}',
    )
    for payload in payloads:
        engine.owner.execute("insert into millstream.dead_row values ('t', 1, 'too bad', %s)", [payload])
    (found,) = retry(engine.owner)
    assert (found.what, found.name, found.back, found.left) == ("rows", "t", 3, 2)
    engine.tick()
    assert engine.all("v") == [(1, 7, 2.0), (5, 1, 2.0)]
    assert engine.value("select count(*) from millstream.dead_row") == 2


def test_of_a_name_that_is_not_deployed_nothing_is_tried(engine: Engine) -> None:
    with pytest.raises(MillstreamError, match="nothing is deployed as public.nobody"):
        retry(engine.owner, "nobody")
