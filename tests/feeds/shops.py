"""A table of items and the view of the cheap ones, with a change feed: recorded, or on a RisingWave."""

from __future__ import annotations

import os
import secrets
from types import TracebackType
from typing import Protocol, Self

import psycopg
import pytest

from tests.feeds.stand_in import Row, StandIn

DSN = "RISINGWAVE_DSN"
COLUMNS = [("item_id", "varchar"), ("price", "integer")]


class Shop(Protocol):
    """Where the watcher connects, what it watches, and what can happen to it."""

    dsn: str
    model: str

    def put(self, item: str, price: int | None) -> None:
        """Give an item a price, or take it away; return when the view shows it."""
        ...

    def deploy(self, limit: int) -> None:
        """Put a new version of the view, of the items that cost less, and of its subscription behind their names."""
        ...


class Recorded:
    """The stand-in, with the view reckoned here."""

    def __init__(self) -> None:
        self.server = StandIn()
        self.dsn, self.model = self.server.dsn, "public.cheap"
        self.items: dict[str, int] = {}
        self.deploy(100)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.break_connections()
        self.server.shutdown()
        self.server.server_close()

    def view(self) -> dict[str, Row]:
        return {item: (item, str(price)) for item, price in self.items.items() if price < self.limit}

    def put(self, item: str, price: int | None) -> None:
        before = self.view().get(item)
        self.items.pop(item, None)
        if price is not None:
            self.items[item] = price
        after = self.view().get(item)
        verb = "Update" if before is not None and after is not None else ""
        gone = [] if before is None else [(f"{verb}Delete", before)]
        come = [] if after is None else [(f"{verb}Insert", after)]
        self.server.commit(self.table, *gone, *come)

    def deploy(self, limit: int) -> None:
        self.limit = limit
        self.table = self.server.deploy("cheap", COLUMNS, *self.view().values())


class OnRisingWave:
    """A RisingWave at RISINGWAVE_DSN, in a schema of its own that is dropped afterwards."""

    def __init__(self) -> None:
        dsn = os.environ.get(DSN)
        if not dsn:
            pytest.skip(f"{DSN} is not set: the watcher meets a recorded RisingWave only")
        self.dsn = dsn
        self._schema = f"watch_{secrets.token_hex(4)}"
        self.model = f"{self._schema}.cheap"
        self._version = 0
        self._connection = psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor)
        self._send(f"create schema {self._schema}")
        self._send(f"set search_path to {self._schema}")
        self._send(
            "create table items (item_id varchar primary key, price integer) on conflict do update full"
        )
        self._send("create materialized view cheap as select item_id, price from items where price < 100")
        self._send("create subscription cheap_feed from cheap with (retention = '1D')")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send(f"drop schema {self._schema} cascade")
        self._connection.close()

    def put(self, item: str, price: int | None) -> None:
        if price is None:
            self._send(f"delete from items where item_id = '{item}'")
        else:
            self._send(f"insert into items values ('{item}', {price})")
        self._send("flush")

    def deploy(self, limit: int) -> None:
        self._send(
            f"create materialized view cheap__2 as select item_id, price from items where price < {limit}"
        )
        self._send("alter materialized view cheap swap with cheap__2")
        self._send("create subscription cheap_feed__2 from cheap with (retention = '1D')")
        self._send("alter subscription cheap_feed swap with cheap_feed__2")
        self._send("drop subscription cheap_feed__2")
        self._send("drop materialized view cheap__2")

    def _send(self, statement: str) -> None:
        self._connection.execute(statement.encode())
