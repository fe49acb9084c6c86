"""Forgetting on RisingWave: the same over the wire. An embedded engine stands in, with a tick for FLUSH."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from millstream.engine.erasure.people import People
from millstream.engine.erasure.risingwave import forget
from millstream.errors import MillstreamError
from tests.erasure.shop import Shop
from tests.erasure.test_forget import mark

__all__ = ["mark"]


class Plain(psycopg.Connection):
    """A connection that sends what RisingWave takes: one statement at a time, its values in the text, no transactions."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[Any]:
        text = query if isinstance(query, str) else query.as_string(self)
        assert params is None
        assert not any(word in text for word in ("ctid", "on conflict", "returning", "millstream."))
        return super().execute(query, **options)


def test_a_person_leaves_the_tables_and_stays_out(shop: Shop, mark: str) -> None:
    shop.link(f"phone-{mark}", mark)
    shop.event(f"1-{mark}", mark, "item-1")
    shop.event(f"2-{mark}", None, "item-1", f"phone-{mark}")
    shop.event(f"3-{mark}", "bob", "item-1", f"phone-{mark}")
    shop.flush()
    with Plain.connect(shop.owner.info.dsn, password=shop.owner.info.password, autocommit=True) as conn:
        for removed in ({"public.events": 2, "public.identities": 1}, {}):
            found, messages = forget(conn, People({mark}), shop.flush)
            assert dict(found) == removed
            assert messages == ["public.events_raw"]
    assert shop.used(mark, f"phone-{mark}", "bob")[0] == ("bob", f"3-{mark}")
    shop.event(f"4-{mark}", None, "item-1", f"phone-{mark}")
    shop.event(f"5-{mark}", mark, "item-1")
    shop.flush()
    assert [user for user, _ in shop.used(mark, f"phone-{mark}")] == []
    shop.writer.execute("delete from events where event_id = %s", [f"3-{mark}"])


def test_a_database_without_the_project_is_told(shop: Shop) -> None:
    dsn = shop.owner.info.dsn
    with (
        psycopg.connect(dsn, password=shop.owner.info.password, dbname="postgres", autocommit=True) as conn,
        pytest.raises(MillstreamError, match="tombstones is not there"),
    ):
        forget(conn, People({"x"}), lambda: None)
