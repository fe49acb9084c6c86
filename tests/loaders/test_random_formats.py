"""Events at random, written in each format and read again: what is read is what was written."""

from __future__ import annotations

import csv
import io
import json
import string
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.formats.registry import open_source
from loaders.mapping.arguments import MapOptions
from loaders.mapping.document import FOLDER
from loaders.schema.rows import Event
from tests.compiler import golden

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SNOWPLOW = yaml.safe_load((FOLDER / "snowplow.yml").read_text())["file"]["header"]
CASES = Path(__file__).with_name("formats.golden")


@dataclass(frozen=True)
class Fact:
    """What an event says, whatever the format; `second` and `microsecond` are of Unix time."""

    event_type: str
    user: str
    visitor: str
    item: str
    quantity: int
    price: float
    second: int
    microsecond: int

    def time(self, unit: int) -> datetime:
        """The moment in units of so many microseconds."""
        return EPOCH + timedelta(microseconds=self.number(unit) * unit)

    def number(self, unit: int) -> int:
        return (self.second * 1_000_000 + self.microsecond) // unit


ids = st.text(string.ascii_letters + string.digits + "-_.,;|\"' äß", min_size=1, max_size=8).map(
    lambda t: f"x{t}".strip()
)
numbers = st.integers(1, 10**9).map(str)
facts = st.builds(
    Fact,
    event_type=st.sampled_from(("view_item", "add_to_cart", "purchase")),
    user=ids,
    visitor=ids,
    item=ids,
    quantity=st.integers(1, 99),
    price=st.integers(0, 10**6).map(lambda cents: cents / 100),
    second=st.integers(10**9, 2 * 10**9),
    microsecond=st.integers(0, 999_999),
)
logs = st.lists(facts, max_size=8)
Written = tuple[str, str, Callable[[Fact], tuple[object, ...]]]
COLUMNS = ("event_type", "user_id", "anonymous_id", "item_id", "quantity", "price", "occurred_at")


def whole(unit: int) -> Callable[[Fact], tuple[object, ...]]:
    """All that a fact says, its time in units of so many microseconds."""
    return lambda f: (f.event_type, f.user, f.visitor, f.item, f.quantity, f.price, f.time(unit))


def json_lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def table(header: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def ga4(log: list[Fact]) -> Written:
    records = [
        {
            "event_name": f.event_type, "event_timestamp": str(f.number(1)), "user_id": f.user, "user_pseudo_id": f.visitor,
            "event_params": [{"key": "ga_session_id", "value": {"int_value": "7"}}], "batch_event_index": str(number),
            "items": [{"item_id": f.item, "quantity": str(f.quantity), "price": f.price}],
        }
        for number, f in enumerate(log)
    ]  # fmt: skip
    return "events.jsonl", json_lines(records), whole(1)


def segment(log: list[Fact]) -> Written:
    names = {"view_item": "Product Viewed", "add_to_cart": "Product Added", "purchase": "Order Completed"}
    records = []
    for number, f in enumerate(log):
        product = {"product_id": f.item, "quantity": f.quantity, "price": f.price}
        records.append(
            {
                "type": "track", "event": names[f.event_type], "messageId": f"m{number}", "userId": f.user,
                "anonymousId": f.visitor, "timestamp": f.time(1_000).isoformat().replace("+00:00", "Z"),
                "properties": {"products": [product]} if f.event_type == "purchase" else product,
            }
        )  # fmt: skip
    return "calls.jsonl", json_lines(records), whole(1_000)


def snowplow(log: list[Fact]) -> Written:
    names = {"view_item": "product_view", "add_to_cart": "add_to_cart", "purchase": "transaction"}
    vendor = "iglu:com.snowplowanalytics.snowplow.ecommerce"
    lines = []
    for number, f in enumerate(log):
        product = {"id": f.item, "quantity": f.quantity, "price": f.price, "category": "c", "currency": "EUR"}
        data = {
            "schema": f"{vendor}/snowplow_ecommerce_action/jsonschema/1-0-2",
            "data": {"type": names[f.event_type]},
        }
        filled = {
            "event_id": f"e{number}", "user_id": f.user, "domain_userid": f.visitor,
            "derived_tstamp": f"{f.time(1_000):%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "unstruct_event": json.dumps({"schema": "iglu:x/unstruct_event/jsonschema/1-0-0", "data": data}),
            "contexts": json.dumps({"data": [{"schema": f"{vendor}/product/jsonschema/1-0-0", "data": product}]}),
        }  # fmt: skip
        lines.append("\t".join(filled.get(name, "") for name in SNOWPLOW) + "\n")
    return "enriched.tsv", "".join(lines), whole(1_000)


def otto(log: list[Fact]) -> Written:
    names = {"view_item": "clicks", "add_to_cart": "carts", "purchase": "orders"}
    records = [
        {
            "session": f.visitor,
            "events": [{"aid": f.item, "ts": f.number(1_000), "type": names[f.event_type]}],
        }
        for f in log
    ]
    return "train.jsonl", json_lines(records), lambda f: (
        f.event_type, None, f"otto-{f.visitor}", f.item, None, None, f.time(1_000)
    )  # fmt: skip


def movielens(log: list[Fact]) -> Written:
    rows: list[list[object]] = [
        [f.user, f.item, 5.0 if f.event_type == "purchase" else 2.5, f.number(1_000_000)] for f in log
    ]
    return "ratings.csv", table(["userId", "movieId", "rating", "timestamp"], rows), lambda f: (
        "purchase" if f.event_type == "purchase" else "view_item", f.user, None, f.item, None, None, f.time(1_000_000)
    )  # fmt: skip


def retailrocket(log: list[Fact]) -> Written:
    names = {"view_item": "view", "add_to_cart": "addtocart", "purchase": "transaction"}
    rows: list[list[object]] = [[f.number(1_000), f.visitor, names[f.event_type], f.item, ""] for f in log]
    header = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
    return "events.csv", table(header, rows), lambda f: (
        f.event_type, None, f.visitor, f.item, None, None, f.time(1_000)
    )  # fmt: skip


WRITERS = {
    "ga4": ga4, "movielens": movielens, "otto": otto, "retailrocket": retailrocket, "segment": segment, "snowplow": snowplow,
}  # fmt: skip


def read_again(
    name: str, file: str, text: str, columns: MapOptions | None = None
) -> Counter[tuple[object, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.write_text(text, encoding="utf-8", newline="")
        records = list(open_source(name, path, columns=columns).events())
    assert all(isinstance(record, Event) for record in records), records
    ids = [record.event_id for record in records if isinstance(record, Event)]
    assert len(set(ids)) == len(ids)
    return Counter(tuple(getattr(record, column) for column in COLUMNS) for record in records)


def test_every_shipped_format_has_a_writer() -> None:
    assert sorted(WRITERS) == sorted(case.title for case in golden.read(CASES))


@pytest.mark.parametrize("name", sorted(WRITERS))
@settings(deadline=None, max_examples=40)
@given(log=logs)
def test_what_is_read_is_what_was_written(name: str, log: list[Fact]) -> None:
    file, text, expected = WRITERS[name](log)
    assert read_again(name, file, text) == Counter(expected(fact) for fact in log)


@settings(deadline=None, max_examples=60)
@given(log=logs, delimiter=st.sampled_from(",;\t|"), unit=st.sampled_from((1, 1_000, 1_000_000)))
def test_a_file_of_any_columns_is_read_as_it_was_written(log: list[Fact], delimiter: str, unit: int) -> None:
    text = io.StringIO()
    rows = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    rows.writerow(["what", "who", "cookie", "Product.Id", "pieces", "each", "when"])
    rows.writerows(
        [f.event_type, f.user, f.visitor, f.item, f.quantity, f.price, f.number(unit)] for f in log
    )
    columns = MapOptions(
        maps=("event_type=what", "user_id=who", "quantity=pieces", "price=each", "occurred_at=when"),
        time={1: "microseconds", 1_000: "milliseconds", 1_000_000: "seconds"}[unit],
    )
    assert read_again("file", "log.csv", text.getvalue(), columns) == Counter(
        whole(unit)(fact) for fact in log
    )
