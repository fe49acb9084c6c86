"""Catalogue, stock and people: only what is new or different is sent, and stock that is there is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg

from loaders.loading.load import Loaded, load
from loaders.reading.event_log import EventLog
from loaders.schema.relations import EMBEDDING_NEIGHBOURS, EVENTS, ITEM_VECTORS, USERS
from loaders.schema.rows import Event, Item, Rejected, User, event
from loaders.target.connection import WriterConnection
from tests.loaders.logs import NOON

LAMP = Item("lamp", "Lamp", "Light", "Desk", "Acme", 9.5, True, NOON)
FUSE = Item("fuse", "Fuse", None, None, None, None, False, None)
ANNA = User("anna", "two people", {"age": "35-44"}, NOON)


class Shop(EventLog):
    """A log with a catalogue of its own."""

    name = "shop"
    summary = "a shop of the tests"
    needs_path = False

    def __init__(self, items: list[Item], users: list[User], **bounds: Any) -> None:
        super().__init__(None, **bounds)
        self._items, self._users = items, users

    def read(self) -> Iterator[Event | Rejected]:
        return iter([event("e", "view_item", NOON, user_id="anna", session_id="s", item_id="lamp")])

    def items(self) -> Iterator[Item]:
        return iter(self._items)

    def users(self) -> Iterator[User]:
        return iter(self._users)

    def whole(self) -> EventLog:
        return Shop(self._items, self._users)


def bring(dsn: str, items: list[Item], users: list[User], **options: Any) -> Loaded:
    return load(dsn, Shop(items, users), show_progress=False, **options)


def test_items_stock_and_users_arrive(dsn: str, owner: psycopg.Connection) -> None:
    bring(dsn, [LAMP, FUSE], [ANNA], stock=7)
    columns = ", ".join(Item._fields)
    assert set(owner.execute(f"select {columns} from items".encode())) == {tuple(LAMP), tuple(FUSE)}
    assert set(owner.execute("select * from inventory")) == {("lamp", 7), ("fuse", 0)}
    assert owner.execute("select * from users").fetchall() == [tuple(ANNA)]


def test_only_what_differs_is_sent_again(dsn: str, owner: psycopg.Connection) -> None:
    first = bring(dsn, [LAMP, FUSE], [ANNA])
    same = bring(dsn, [LAMP, FUSE], [ANNA])
    cheaper = bring(dsn, [LAMP._replace(price=8.0), FUSE], [ANNA._replace(attributes={"age": "45-54"})])
    assert [(done.items, done.users) for done in (first, same, cheaper)] == [(2, 1), (0, 0), (1, 1)]
    assert owner.execute("select price from items where item_id = 'lamp'").fetchone() == (8.0,)


def test_stock_that_is_there_is_left_alone(dsn: str, owner: psycopg.Connection) -> None:
    bring(dsn, [LAMP], [])
    owner.execute("update inventory set quantity = 3 where item_id = 'lamp'")
    owner.execute("call millstream.flush()")
    bring(dsn, [LAMP._replace(price=1.0), FUSE], [])
    assert set(owner.execute("select * from inventory")) == {("lamp", 3), ("fuse", 0)}


def test_the_later_of_two_rows_of_an_item_wins(dsn: str, owner: psycopg.Connection) -> None:
    bring(dsn, [LAMP, LAMP._replace(name="Lantern")], [])
    assert owner.execute("select name from items").fetchall() == [("Lantern",)]


def test_the_catalogue_moves_with_the_log(dsn: str, owner: psycopg.Connection) -> None:
    bring(dsn, [LAMP], [ANNA], shift_to=NOON + timedelta(days=10))
    moved = NOON + timedelta(days=10)
    assert owner.execute("select created_at from items").fetchone() == (moved,)
    assert owner.execute("select updated_at from users").fetchone() == (moved,)


def test_without_catalogue_only_events_are_sent(dsn: str, owner: psycopg.Connection) -> None:
    bring(dsn, [LAMP], [ANNA], catalogue=False)
    assert owner.execute("select count(*) from items").fetchone() == (0,)
    assert owner.execute("select count(*) from events").fetchone() == (1,)


def test_rows_inserted_are_the_same_as_rows_copied(dsn: str, owner: psycopg.Connection) -> None:
    """INSERT is the way into a server without COPY, and that of a replay."""
    purchase = event("a", "purchase", NOON, user_id="u", quantity=70_000, price=0.1, position=1)
    rows = {
        EVENTS.name: (EVENTS, purchase, purchase._replace(event_id="b")),
        USERS.name: (USERS, ANNA._replace(user_id="a"), ANNA._replace(user_id="b")),
        ITEM_VECTORS.name: (ITEM_VECTORS, ("a", "v", [0.1, -2.0]), ("b", "v", [0.1, -2.0])),
        EMBEDDING_NEIGHBOURS.name: (
            EMBEDDING_NEIGHBOURS,
            ("a", "v", ["x", "y"], [0.5, 0.25]),
            ("b", "v", ["x", "y"], [0.5, 0.25]),
        ),
    }
    with WriterConnection(dsn) as target:
        for relation, copied, inserted in rows.values():
            target.copy(relation, [copied])
            target.insert(relation, [inserted])
            target.flush()
            found = target.rows(relation, ["a", "b"])
            assert found["a"][1:] == found["b"][1:] == tuple(copied)[1:]


def test_more_rows_than_one_statement_takes_are_all_inserted(dsn: str, owner: psycopg.Connection) -> None:
    with WriterConnection(dsn) as target:
        target.insert(EVENTS, [event(f"e{number}", "view_item", NOON) for number in range(2_345)])
        target.flush()
    assert owner.execute("select count(*) from events").fetchone() == (2_345,)
