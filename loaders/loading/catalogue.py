"""Bring the catalogue, stock and people of a log in: only what is new or different is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from loaders.reading.event_log import EventLog
from loaders.schema.relations import IDENTITIES, INVENTORY, ITEMS, USERS, SourceRelation
from loaders.schema.rows import IdentityLink, Item, Stock, User
from loaders.target.connection import WriterConnection
from loaders.target.pace import Pace

CHUNK = 10_000
Row = TypeVar("Row", Item, Stock, User, IdentityLink)


def load_items(
    target: WriterConnection,
    source: EventLog,
    offset: timedelta,
    stock: int,
    pace: Pace,
    sent: Callable[[int], None],
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
        give_stock(target, chunk, stock, pace)
        total += len(chunk)
        sent(len(chunk))
    pace.catch_up()
    return written, total


def make_items(
    target: WriterConnection,
    source: EventLog,
    offset: timedelta,
    stock: int,
    pace: Pace,
    sent: Callable[[int], None],
    *,
    wanted: bool | None,
) -> int:
    """Insert the items that only events name, each with `stock` units; a row that is there is never changed.

    Unless that is `wanted` or not, it is done where nobody keeps a catalogue: where `items` is empty, or holds only what
    this function would make, as after a load that was killed. Names that another log brought count as a catalogue. Returns how many items were made.
    """
    made = {item.item_id: _moved_item(item, offset) for item in source.items()} if wanted is not False else {}
    if wanted is None and _is_kept(target, made):
        return 0
    written = 0
    for chunk in _chunks(made.values()):
        there = target.rows(ITEMS, [item.item_id for item in chunk])
        missing = [item for item in chunk if item.item_id not in there]
        _send(target, ITEMS, missing, pace)
        give_stock(target, chunk, stock, pace)
        written += len(missing)
        sent(len(chunk))
    pace.catch_up()
    return written


def unlisted(target: WriterConnection, item_ids: Iterable[str]) -> int:
    """Count those of these items that have no row in `items`, and so can never be shown."""
    return sum(len(chunk) - len(target.rows(ITEMS, chunk)) for chunk in batched(item_ids))


def load_identities(target: WriterConnection, source: EventLog, pace: Pace) -> int:
    """Upsert the links between visitors and people that are new or different. Returns how many were sent."""
    written = 0
    for chunk in _chunks(source.identities()):
        changed = _changed(target, IDENTITIES, chunk)
        _send(target, IDENTITIES, changed, pace)
        written += len(changed)
    pace.catch_up()
    return written


def load_users(
    target: WriterConnection, source: EventLog, offset: timedelta, pace: Pace, sent: Callable[[int], None]
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


def _is_kept(target: WriterConnection, made: dict[str, Item]) -> bool:
    """Whether `items` has a row that was not made of events: one with a name or a fact of its own."""
    for row in target.all_rows(ITEMS):
        there = Item._make(row)._replace(created_at=None)
        bare = Item(there.item_id, f"Item {there.item_id}", None, None, None, there.price, True, None)
        known = made.get(there.item_id, bare)._replace(created_at=None)
        if there not in (bare, known):
            return True
    return False


def give_stock(target: WriterConnection, items: Sequence[Item], stock: int, pace: Pace) -> None:
    """Give those items that have no stock row `stock` units, inactive ones none."""
    stocked = target.rows(INVENTORY, [item.item_id for item in items])
    missing = [item for item in items if item.item_id not in stocked]
    _send(target, INVENTORY, [Stock(item.item_id, stock if item.is_active else 0) for item in missing], pace)


def _changed(target: WriterConnection, relation: SourceRelation, chunk: list[Row]) -> list[Row]:
    present = target.rows(relation, [row[0] for row in chunk])
    return [row for row in chunk if present.get(row[0]) != tuple(row)]


def _send(
    target: WriterConnection, relation: SourceRelation, rows: Sequence[Sequence[object]], pace: Pace
) -> None:
    if rows:
        target.copy(relation, rows)
        pace.sent(len(rows))


def _moved_item(item: Item, offset: timedelta) -> Item:
    return item if item.created_at is None else item._replace(created_at=item.created_at + offset)


def _moved_user(user: User, offset: timedelta) -> User:
    return user if user.updated_at is None else user._replace(updated_at=user.updated_at + offset)


def batched(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Cut a stream into chunks."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    for chunk in batched(rows):
        # One key twice in a chunk would be two rows of one upsert: the later one is what the log says last.
        yield list({row[0]: row for row in chunk}.values())
