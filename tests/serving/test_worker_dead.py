"""Reads go on when the worker is dead; writes wait for it and are not lost."""

from __future__ import annotations

import psycopg
import pytest

from millstream.engine.inspect import status
from tests.engine.running import running
from tests.serving.shop import DAY, Shop


def test_reads_go_on_and_writes_wait_until_a_worker_is_back(resting: Shop) -> None:
    before = resting.recommend("ann", 5)
    assert len(before) == 5
    resting.event("ann", "view_item", "i4", DAY / 2)
    resting.put("inventory", item_id="i1", quantity=0)
    assert [row["item_id"] for row in resting.recommend("ann", 5)] == [row["item_id"] for row in before]
    with psycopg.connect(resting.dsns["owner"], autocommit=True) as owner:
        found = status.read(owner)
        assert (found["worker_connected"], found["queued"]["events"], found["queued"]["inventory"]) == (
            False,
            1,
            1,
        )
    with pytest.raises(psycopg.errors.RaiseException, match="did not catch up"):
        resting.writer.execute("call millstream.flush('100 milliseconds')")
    with running(resting.dsns["owner"]):
        resting.flush()
        after = resting.recommend("ann", 9)
    assert "i1" not in {row["item_id"] for row in after}
    assert max(row["computed_at"] for row in after) > max(row["computed_at"] for row in before)


def test_a_worker_whose_connection_is_cut_loses_nothing(resting: Shop) -> None:
    with psycopg.connect(resting.dsns["owner"], autocommit=True) as owner:
        with pytest.raises(psycopg.OperationalError), running(resting.dsns["owner"]) as worker:
            resting.event("ann", "view_item", "i4", DAY / 2)
            resting.flush()
            pid = worker.conn.info.backend_pid
            owner.execute("select pg_terminate_backend(%s)", [pid])
            resting.event("ann", "view_item", "i5", DAY / 3)
        assert len(resting.recommend("ann", 5)) == 5
    with running(resting.dsns["owner"]):
        resting.flush()
        recent = resting.reader.execute(
            "select computed_at from serve_recommendations where user_id = 'ann' order by computed_at desc limit 1"
        ).fetchone()
    assert recent is not None
    assert recent["computed_at"] == resting.now - DAY / 3
