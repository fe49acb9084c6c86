"""A tiny shop on the deployed project: written to as an application does, read as an application does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from millstream.recommend.statement import statement

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def recommend_statement() -> str:
    """The SELECT for applications, with its parameters $1 (user) and $2 (how many)."""
    return statement()


class Shop:
    """A shop with a running worker; every write waits until the views show it. Times are given as ages."""

    def __init__(self, database: str, dsns: dict[str, str]) -> None:
        self.dsns = {role: make_conninfo(dsn, dbname=database) for role, dsn in dsns.items()}
        self.now = datetime.now(UTC)
        self._name = database
        self._events = 0
        self.writer = psycopg.connect(self.dsns["writer"], autocommit=True)
        self.reader = psycopg.connect(self.dsns["reader"], autocommit=True, row_factory=dict_row)
        self._recommend = psycopg.RawCursor(self.reader, row_factory=dict_row)

    def close(self) -> None:
        self.writer.close()
        self.reader.close()

    def flush(self) -> None:
        self.writer.execute("call millstream.flush()")

    def put(self, table: str, **row: Any) -> None:
        """Insert or replace a row of a source."""
        self.writer.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            list(row.values()),
        )

    def item(self, item_id: str, category: str = "cake", stock: int = 9, **columns: Any) -> None:
        """An active item, named after its id in capitals, with stock."""
        given = {"item_id": item_id, "name": item_id.upper(), "category": category, "is_active": True}
        self.put("items", **given | columns)
        self.put("inventory", item_id=item_id, quantity=stock)

    def event(self, user: str | None, event_type: str, item: str, ago: timedelta, **columns: Any) -> None:
        """An event in a session of the user's own, received when it occurred."""
        self._events += 1
        at = self.now - ago
        row: dict[str, Any] = {
            "event_id": f"{self._name}-{self._events:04}",
            "event_type": event_type,
            "user_id": user,
            "item_id": item,
        }
        row |= {"session_id": f"s-{user}", "occurred_at": at, "received_at": at}
        self.put("events", **row | columns)

    def recommend(self, user: str, k: int) -> list[dict[str, Any]]:
        """The rows of the documented statement, read by the reader's role."""
        return self._recommend.execute(recommend_statement().encode(), (user, k), prepare=True).fetchall()

    def items(self, user: str, k: int) -> list[str]:
        return [row["item_id"] for row in self.recommend(user, k)]

    def sources(self, user: str, k: int) -> list[str]:
        return [row["source"] for row in self.recommend(user, k)]


def stock(shop: Shop) -> None:
    """Nine items: i0 and i1 are bought together, i6 to i8 trend, ann looked at i0, a family likes i5."""
    for number in range(9):
        shop.item(f"i{number}", "cake" if number < 4 else "tea")
    for session in ("1", "2"):
        for item in ("i0", "i1"):
            shop.event(f"buyer-{session}", "purchase", item, 2 * DAY, session_id=session)
    for number in (6, 7, 8):
        shop.event("somebody", "view_item", f"i{number}", number * MINUTE)
    shop.put("users", user_id="parent", segment="family")
    shop.put("users", user_id="newcomer", segment="family")
    shop.event("parent", "purchase", "i5", 3 * DAY)
    shop.flush()  # what ann meets must be there before she acts
    shop.event("ann", "view_item", "i0", DAY)
    shop.flush()
