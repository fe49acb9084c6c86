"""UCI "clickstream data for online shopping": a clothing shop's clicks from April to August 2008.

EventLog: https://archive.ics.uci.edu/dataset/553, CC BY 4.0; names of the codes as in its description.
Columns: year,month,day,order,country,session_id,main_category,clothing_model_code,colour,location,
model_photography,price,price_2,page. Prices are US dollars.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from loaders.reading.csv_rows import CsvRow
from loaders.reading.text_log import TextLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Item, Rejected, event

COLUMNS = [
    "year", "month", "day", "order", "country", "session_id", "main_category", "clothing_model_code",
    "colour", "location", "model_photography", "price", "price_2", "page",
]  # fmt: skip
LARGEST = 10**9
CATEGORIES = {1: "Trousers", 2: "Skirts", 3: "Blouses", 4: "Sale"}
SINGULAR = {1: "trousers", 2: "skirt", 3: "blouse", 4: "sale item"}
COLOURS = {
    1: "Beige", 2: "Black", 3: "Blue", 4: "Brown", 5: "Burgundy", 6: "Gray", 7: "Green", 8: "Navy blue",
    9: "Many-coloured", 10: "Olive", 11: "Pink", 12: "Red", 13: "Violet", 14: "White",
}  # fmt: skip
# The ISO code of each country number. 12 is unknown and 43 to 47 are domains without a country.
COUNTRIES = {
    1: "AU", 2: "AT", 3: "BE", 4: "VG", 5: "KY", 6: "CX", 7: "HR", 8: "CY", 9: "CZ", 10: "DK", 11: "EE", 13: "FO",
    14: "FI", 15: "FR", 16: "DE", 17: "GR", 18: "HU", 19: "IS", 20: "IN", 21: "IE", 22: "IT", 23: "LV", 24: "LT",
    25: "LU", 26: "MX", 27: "NL", 28: "NO", 29: "PL", 30: "PT", 31: "RO", 32: "RU", 33: "SM", 34: "SK", 35: "SI",
    36: "ES", 37: "SE", 38: "CH", 39: "UA", 40: "AE", 41: "GB", 42: "US",
}  # fmt: skip


class UciEshop(TextLog):
    """Every click is a `view_item` of a visitor who is known for one session only (`anonymous_id`).

    The log has days and the order of clicks, no time of day: click n of a session stands n seconds after midnight UTC.
    One model code is used in two categories, so an item is a category and a code.
    """

    name = "uci_eshop"
    summary = "UCI e-shop clothing clicks 2008, CSV"
    time_ordered = False

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row after the header."""
        for row in self._rows():
            try:
                yield _event(row.checked(len(COLUMNS)))
            except ValueError as error:
                yield self.rejected(row.line, error, row.text)

    def items(self) -> Iterator[Item]:
        """Give the items that clicks name (217 model codes in the whole file)."""
        found: dict[str, Item] = {}
        for row in self._rows():
            try:
                item = _item(_numbers(row.checked(len(COLUMNS))))
            except ValueError:
                continue
            found.setdefault(item.item_id, item)
        return iter(found.values())

    def _rows(self) -> Iterator[CsvRow]:
        rows = self.csv_rows(quoting=csv.QUOTE_NONE)
        first = next(rows, None)
        if first is not None and first.fields != COLUMNS:
            rows.close()
            raise LoaderError(
                f"{self.file}:1: not the UCI e-shop file; its header must be {','.join(COLUMNS)}"
            )
        return rows


def _numbers(row: list[str]) -> dict[str, int]:
    try:
        numbers = dict(zip(COLUMNS, map(int, row), strict=True))
    except ValueError:
        raise ValueError("every field must be a whole number") from None
    if any(abs(number) > LARGEST for number in numbers.values()):
        raise ValueError(f"no field may be larger than {LARGEST:,}")
    if numbers["main_category"] not in CATEGORIES or numbers["colour"] not in COLOURS:
        raise ValueError("main_category must be 1 to 4 and colour 1 to 14")
    return numbers


def _item_id(row: dict[str, int]) -> str:
    return f"{row['main_category']}-{row['clothing_model_code']}"


def _event(fields: list[str]) -> Event:
    row = _numbers(fields)
    try:
        day = datetime(row["year"], row["month"], row["day"], tzinfo=UTC)
        time = day + timedelta(seconds=row["order"])
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such day or order: {error}") from None
    visitor = f"uci-{row['session_id']}"
    return event(
        f"{visitor}-{row['order']}",
        "view_item",
        time,
        anonymous_id=visitor,
        session_id=visitor,
        item_id=_item_id(row),
        price=float(row["price"]),
        currency="USD",
        country=COUNTRIES.get(row["country"]),
    )


def _item(row: dict[str, int]) -> Item:
    colour = COLOURS[row["colour"]]
    return Item(
        item_id=_item_id(row),
        name=f"{colour} {SINGULAR[row['main_category']]} {row['clothing_model_code']}",
        category=CATEGORIES[row["main_category"]],
        subcategory=colour,
        brand=None,
        price=float(row["price"]),
        is_active=True,
        created_at=None,
    )
