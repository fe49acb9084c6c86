"""Taobao UserBehavior: clicks, carts, favourites and purchases as CSV without a header.

EventLog: https://tianchi.aliyun.com/dataset/649. Columns: user_id,item_id,category_id,behavior,unix_ts.
"""

from __future__ import annotations

from collections.abc import Iterator

from loaders.reading.parse import from_unix
from loaders.reading.text import damage, shown
from loaders.reading.text_log import TextLog
from loaders.schema.rows import Event, Item, Rejected, event

EVENT_TYPES = {"pv": "view_item", "cart": "add_to_cart", "fav": "add_to_wishlist", "buy": "purchase"}
FIELDS = 5


class Taobao(TextLog):
    """Events by user, item, behaviour and second; the same four twice are one event. Times are Unix seconds.

    The published file is sorted by user, so it is put into time order; sessions end after 30 minutes without an event.
    There are no prices and no names: an item is called by its number and its category by its number.
    """

    name = "taobao"
    summary = "Taobao UserBehavior CSV (clicks, carts, favourites, purchases)"
    time_ordered = False
    has_sessions = False

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row."""
        for number, line in enumerate(self.lines(), start=1):
            text = line.strip()
            if not text:
                continue
            try:
                yield _event(text)
            except ValueError as error:
                yield self.rejected(number, error, text)

    def items(self) -> Iterator[Item]:
        """Give every item that an event names; memory grows with the number of items."""
        categories: dict[str, str] = {}
        for line in self.lines():
            fields = line.strip().split(",")
            if len(fields) == FIELDS and fields[1].isdecimal() and fields[2].isdecimal():
                categories[fields[1]] = fields[2]
        for item, category in categories.items():
            yield Item(item, f"Item {item}", f"Category {category}", None, None, None, True, None)


def _event(text: str) -> Event:
    if reason := damage(text):
        raise ValueError(reason)
    fields = text.split(",")
    if len(fields) != FIELDS:
        raise ValueError(f"{len(fields)} fields where the format has {FIELDS}")
    user, item, category, behaviour, seconds = fields
    if behaviour not in EVENT_TYPES:
        raise ValueError(f"unknown behaviour {shown(behaviour)}; known are {', '.join(EVENT_TYPES)}")
    if not (user.isdecimal() and item.isdecimal() and category.isdecimal()):
        raise ValueError("user_id, item_id and category_id must be numbers")
    try:
        time = from_unix(int(seconds))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"the time must be Unix seconds, not {shown(seconds)}") from None
    return event(
        f"taobao-{user}-{item}-{behaviour}-{seconds}",
        EVENT_TYPES[behaviour],
        time,
        user_id=user,
        item_id=item,
        quantity=1 if behaviour in ("cart", "buy") else None,
    )
