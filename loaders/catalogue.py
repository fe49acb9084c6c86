"""Bring the catalogue, stock and people of a log in: only what is new or different is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from loaders.pace import Pace
from loaders.relations import INVENTORY, ITEMS, USERS, Relation
from loaders.rows import Item, Stock, User
from loaders.source import Source
from loaders.target import Target

CHUNK = 10_000
Row = TypeVar("Row", Item, Stock, User)


def load_items(
    target: Target, source: Source, offset: timedelta, stock: int, pace: Pace, sent: Callable[[int], None]
) -> tuple[int, int]:
    """Upsert the items that are new or different, then give those without a stock row `stock` units.

    No log says how much is on stock. Every active item gets the same number and an inactive one 0; a quantity that is
    there is left alone. `sent` hears of every chunk. Returns how many items were sent and how many are in the catalogue.
    """
    items = (_moved_item(item, offset) for item in source.items())
    written = total = 0
    for chunk in _chunks(items):
        changed = _changed(target, ITEMS, chunk)
        _send(target, ITEMS, changed, pace)
        written += len(changed)
        stocked = target.rows(INVENTORY, [item.item_id for item in chunk])
        missing = [item for item in chunk if item.item_id not in stocked]
        stock_rows = [Stock(item.item_id, stock if item.is_active else 0) for item in missing]
        _send(target, INVENTORY, stock_rows, pace)
        total += len(chunk)
        sent(len(chunk))
    pace.catch_up()
    return written, total


def load_users(
    target: Target, source: Source, offset: timedelta, pace: Pace, sent: Callable[[int], None]
) -> tuple[int, int]:
    """Upsert the people that are new or different. Returns how many were sent and how many the log knows."""
    users = (_moved_user(user, offset) for user in source.users())
    written = total = 0
    for chunk in _chunks(users):
        changed = _changed(target, USERS, chunk)
        _send(target, USERS, changed, pace)
        written += len(changed)
        total += len(chunk)
        sent(len(chunk))
    pace.catch_up()
    return written, total


def _changed(target: Target, relation: Relation, chunk: list[Row]) -> list[Row]:
    present = target.rows(relation, [row[0] for row in chunk])
    return [row for row in chunk if present.get(row[0]) != tuple(row)]


def _send(target: Target, relation: Relation, rows: Sequence[Sequence[object]], pace: Pace) -> None:
    if rows:
        target.copy(relation, rows)
        pace.sent(len(rows))


def _moved_item(item: Item, offset: timedelta) -> Item:
    return item if item.created_at is None else item._replace(created_at=item.created_at + offset)


def _moved_user(user: User, offset: timedelta) -> User:
    return user if user.updated_at is None else user._replace(updated_at=user.updated_at + offset)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        # One key twice in a chunk would be two rows of one upsert: the later one is what the log says last.
        yield list({row[0]: row for row in chunk}.values())
