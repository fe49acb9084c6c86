"""REES46 multi-category store: views, carts and purchases as CSV (the monthly files 2019-Oct.csv and so on).

EventLog: https://rees46.com/en/datasets ("eCommerce behavior data from multi category store", REES46 Open CDP).
Columns: event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator
from datetime import datetime

from loaders.reading.csv_rows import CsvRow
from loaders.reading.text import shown
from loaders.reading.text_log import TextLog
from loaders.schema.errors import LoaderError
from loaders.schema.ids import id_or_none
from loaders.schema.rows import Event, Item, Rejected, event

COLUMNS = [
    "event_time", "event_type", "product_id", "category_id", "category_code",
    "brand", "price", "user_id", "user_session",
]  # fmt: skip
EVENT_TYPES = {
    "view": "view_item",
    "cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "purchase": "purchase",
}


class Rees46(TextLog):
    """The log's own order is time order and its sessions are its own.

    The log has no event ids: an id is the digest of the whole row, so a row that stands twice counts once.
    The catalogue is what the events say of a product, the last one winning; names are made of brand and category.
    A category without a code, as a third of the log has, is called by its number (`category_id`).
    """

    name = "rees46"
    summary = "REES46 multi-category store CSV (views, carts, purchases)"

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row after the header."""
        for row in self._rows():
            try:
                yield _event(row.checked(len(COLUMNS)))
            except ValueError as error:
                yield self.rejected(row.line, error, row.text)

    def items(self) -> Iterator[Item]:
        """Give every product that an event names; memory grows with the number of products."""
        products: dict[str, Item] = {}
        for row in self._rows():
            try:
                product = _item(row.checked(len(COLUMNS)))
            except ValueError:
                continue
            known = products.get(product.item_id)
            products[product.item_id] = product._replace(created_at=known.created_at) if known else product
        return iter(products.values())

    def _rows(self) -> Iterator[CsvRow]:
        rows = self.csv_rows(quoting=csv.QUOTE_NONE)
        first = next(rows, None)
        if first is not None and first.fields != COLUMNS:
            rows.close()
            raise LoaderError(f"{self.file}:1: not a REES46 file; its header must be {','.join(COLUMNS)}")
        return rows


def _check(row: list[str]) -> None:
    if not row[2]:
        raise ValueError("product_id is missing")


def _event(row: list[str]) -> Event:
    _check(row)
    user: str | None
    session: str | None
    time, kind, product, _, _, _, price, user, session = row
    if kind not in EVENT_TYPES:
        raise ValueError(f"unknown event_type {shown(kind)}; known are {', '.join(EVENT_TYPES)}")
    user, session = id_or_none("user_id", user), id_or_none("session_id", session)
    if user is None:
        raise ValueError("user_id is missing")
    return event(
        "rees46-" + hashlib.blake2b(",".join(row).encode(), digest_size=12).hexdigest(),
        EVENT_TYPES[kind],
        _time(time),
        user_id=user,
        session_id=session or f"{user}-{time[:10]}",
        item_id=product,
        quantity=1,
        price=_price(price),
    )


def _item(row: list[str]) -> Item:
    _check(row)
    path = [part.replace("_", " ").capitalize() for part in row[4].split(".") if part]
    brand = row[5].title() or None
    kind = path[-1] if path else "Product"
    numbered = f"Category {row[3]}" if row[3] else None
    return Item(
        item_id=row[2],
        name=f"{brand} {kind.lower()} {row[2]}" if brand else f"{kind} {row[2]}",
        category=path[0] if path else numbered,
        subcategory=" / ".join(path[1:]) or None,
        brand=brand,
        price=_price(row[6]),
        is_active=True,
        created_at=_time(row[0]),
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC") + "+00:00")
    except ValueError:
        raise ValueError(f"event_time must look like 2019-10-01 00:00:00 UTC, not {shown(text)}") from None


def _price(text: str) -> float | None:
    try:
        price = float(text) if text else None
    except ValueError:
        price = math.nan
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise ValueError(f"price must be a number that is not negative, not {shown(text)}")
    return price
