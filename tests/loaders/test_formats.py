"""Source formats: what each makes of its rows, on tiny files and on the real logs where they are at hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from loaders.formats.registry import FORMATS, open_source
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected
from tests.loaders.logs import NOON, fields, shared, write_jsonl

REES46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
UCI = (
    "year,month,day,order,country,session_id,main_category,clothing_model_code,colour,location,"
    "model_photography,price,price_2,page"
)


def events(name: str, path: Path, **bounds: object) -> list[Event]:
    return [record for record in open_source(name, path, **bounds).events() if isinstance(record, Event)]


def rejected(name: str, path: Path) -> list[Rejected]:
    return [record for record in open_source(name, path).events() if isinstance(record, Rejected)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_format_says_what_it_is() -> None:
    for name, source in FORMATS.items():
        assert source.name == name
        assert source.summary


def test_jsonl_is_put_into_time_order_and_gets_sessions(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "log.jsonl", [fields(3, user_id="u"), fields(1, user_id="u"), fields(2, user_id="u")]
    )
    read = events("jsonl", path)
    assert [event.event_id for event in read] == ["e000001", "e000002", "e000003"]
    assert {event.session_id for event in read} == {"u-20260301T120001"}


def test_jsonl_takes_numbers_as_ids_and_offsets_of_any_zone(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "log.jsonl", [fields(0, item_id=17, occurred_at="2026-03-01T14:00:00+02:00", quantity=2.0)]
    )
    (event,) = events("jsonl", path)
    assert (event.item_id, event.occurred_at, event.quantity) == ("17", NOON, 2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quantity": 2.5}, "quantity must be a whole number of 32 bits, not 2.5"),
        ({"quantity": 2**31}, "quantity must be a whole number of 32 bits"),
        ({"quantity": True}, "quantity must be a whole number"),
        ({"price": "dear"}, "price must be a finite number, not 'dear'"),
        ({"price": [1]}, "price must be a finite number"),
        ({"consent": "perhaps"}, "consent must be true or false"),
        ({"item_id": {"a": 1}}, "item_id must be text"),
        ({"occurred_at": "yesterday"}, "occurred_at must be an ISO 8601 time"),
        ({"occurred_at": 1_772_366_400}, "occurred_at must be an ISO 8601 time"),
        ({"event_type": ""}, "event_type is missing"),
        ({"event_id": " "}, "event_id is missing"),
        ({"event_id": "null"}, "event_id is missing"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_rejected_with_the_reason(
    tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    (row,) = rejected("jsonl", write_jsonl(tmp_path / "log.jsonl", [fields(0, **changed)]))
    assert words in row.reason
    assert row.line == 1


@pytest.mark.parametrize("nobody", ["", " ", "null", "Undefined", "0", 0, '"nil"'])
def test_an_id_that_names_nobody_is_null(tmp_path: Path, nobody: object) -> None:
    given = fields(0, user_id=nobody, session_id=nobody, anonymous_id="phone", item_id="0")
    (event,) = events("jsonl", write_jsonl(tmp_path / "log.jsonl", [given]))
    assert (event.user_id, event.anonymous_id, event.item_id) == (None, "phone", "0")
    assert event.session_id == "phone-20260301T120000", "made, as where there is none"


def test_csv_reads_any_order_of_columns_and_empty_fields_as_null(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.csv",
        "occurred_at,event_type,event_id,price,consent,search_query",
        '2026-03-01T12:00:00Z,search,a,,true,"red, ""round""\nhat"',
        "2026-03-01T12:00:01Z,purchase,b,2.5,,",
    )
    first, second = events("csv", path)
    assert (first.search_query, first.consent, first.price) == ('red, "round"\nhat', True, None)
    assert (second.search_query, second.consent, second.price) == (None, None, 2.5)


def test_csv_rejects_rows_and_not_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.csv",
        "event_id,event_type,occurred_at",
        "a,view_item",
        "b,view_item,noon",
        'c,"view" item,2026-03-01T12:00:00Z',
        "d,view_item,2026-03-01T12:00:00Z",
    )
    assert [row.line for row in rejected("csv", path)] == [2, 3, 4]
    assert [event.event_id for event in events("csv", path)] == ["d"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("event_id,event_type,occurred_at,colour", "unknown column 'colour'"),
        ("event_id,event_type,occurred_at,item_id,item_id", "the column item_id stands twice"),
        ("event_id,event_type", "occurred_at"),
        ("event_id,event_type,occurred_at,occurred_at", "the column occurred_at stands twice"),
    ],
)
def test_csv_refuses_a_header_that_names_no_events(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(LoaderError, match=words):
        events("csv", write(tmp_path / "log.csv", header, "x"))


def test_packed_files_are_read_like_plain_ones(tmp_path: Path) -> None:
    plain = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(5)])
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert events("jsonl", packed) == events("jsonl", plain)


def test_a_packed_file_that_breaks_off_gives_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    log = "".join(json.dumps(fields(number)) + "\n" for number in range(2_000)).encode()
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(log)[:-2_000])
    read = events("jsonl", path)
    assert 0 < len(read) < 2_000
    assert "damaged after this line" in rejected("jsonl", path)[-1].reason


def test_bounds_are_inclusive_and_exclusive(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(10)])
    read = events("jsonl", path, since=NOON + timedelta(seconds=3), until=NOON + timedelta(seconds=6))
    assert [event.event_id for event in read] == ["e000003", "e000004", "e000005"]


def test_sessions_are_the_same_whatever_the_bounds(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number, user_id="u") for number in range(10)])
    late = events("jsonl", path, since=NOON + timedelta(seconds=5))
    assert {event.session_id for event in late} == {"u-20260301T120000"}


def test_rees46_rows_become_events_and_products(tmp_path: Path) -> None:
    path = write(
        tmp_path / "oct.csv",
        REES46,
        "2019-10-01 00:00:05 UTC,cart,17,9,appliances.environment.water_heater,aqua,33.20,7,s1",
        "2019-10-01 00:00:05 UTC,cart,17,9,appliances.environment.water_heater,aqua,33.20,7,s1",
        "2019-10-01 00:00:06 UTC,purchase,18,9,,,5,7,s1",
        "2019-10-01 00:00:07 UTC,stare,18,9,,,5,7,s1",
        "2019-10-01 00:00:08 UTC,view,18,9,,,-5,7,s1",
        "today,view,18,9,,,5,7,s1",
    )
    first, twin, second = events("rees46", path)
    assert first == twin, "a row that stands twice has one event id"
    assert (first.event_type, first.user_id, first.session_id, first.item_id, first.price) == (
        "add_to_cart", "7", "s1", "17", 33.2,
    )  # fmt: skip
    assert first.occurred_at == datetime(2019, 10, 1, 0, 0, 5, tzinfo=UTC)
    assert second.event_type == "purchase"
    assert [row.line for row in rejected("rees46", path)] == [5, 6, 7]
    heater, product = open_source("rees46", path).items()
    assert (heater.name, heater.category, heater.subcategory, heater.brand) == (
        "Aqua water heater 17", "Appliances", "Environment / Water heater", "Aqua",
    )  # fmt: skip
    assert (product.name, product.category, product.brand, product.price) == (
        "Product 18",
        "Category 9",
        None,
        5.0,
    )


def test_taobao_rows_become_events_with_sessions_of_half_an_hour(tmp_path: Path) -> None:
    path = write(
        tmp_path / "slice.csv",
        "1,20,300,buy,1511661600",
        "1,20,300,pv,1511658000",
        "1,20,300,cart,1511659800",
        "x,20,300,pv,1511658000",
        "1,20,300,gaze,1511658000",
        "1,20,300,pv,soon",
    )
    read = events("taobao", path)
    assert [event.event_type for event in read] == ["view_item", "add_to_cart", "purchase"]
    assert [event.session_id for event in read] == ["1-20171126T010000"] * 3
    assert [row.line for row in rejected("taobao", path)] == [4, 5, 6]
    assert [item.category for item in open_source("taobao", path).items()] == ["Category 300"]


def test_uci_clicks_stand_in_their_order_and_one_code_in_two_categories_is_two_items(tmp_path: Path) -> None:
    path = write(
        tmp_path / "eshop.csv",
        UCI,
        "2008,4,1,1,29,1,1,10,2,5,1,28,2,1",
        "2008,4,1,2,43,1,2,10,2,6,1,33,2,1",
        "2008,2,30,2,43,1,2,10,2,6,1,33,2,1",
    )
    first, second = events("uci_eshop", path)
    assert (first.item_id, first.country, first.price, first.anonymous_id) == ("1-10", "PL", 28.0, "uci-1")
    assert (second.item_id, second.country) == ("2-10", None)
    assert second.occurred_at - first.occurred_at == timedelta(seconds=1)
    assert [row.line for row in rejected("uci_eshop", path)] == [4]
    assert [item.name for item in open_source("uci_eshop", path).items()] == [
        "Black trousers 10",
        "Black skirt 10",
    ]


def test_rsc15_clicks_keep_milliseconds_and_sessions(tmp_path: Path) -> None:
    path = write(
        tmp_path / "clicks.tsv", "SessionId\tItemId\tTime", "9\t21\t1396860669.277", "9\t22\tnan", "9\t23"
    )
    (click,) = events("rsc15", path)
    assert (click.session_id, click.anonymous_id, click.user_id) == ("rsc15-9", "rsc15-9", None)
    assert click.occurred_at.microsecond == 277_000
    assert [row.line for row in rejected("rsc15", path)] == [3, 4]


@pytest.mark.parametrize("name", ["rees46", "uci_eshop", "rsc15"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LoaderError, match="its header must be"):
        events(name, write(tmp_path / "other.csv", "a,b,c", "1,2,3"))


@pytest.mark.parametrize(
    ("name", "file", "count", "distinct", "types"),
    [
        ("rees46", "rees46/2019-oct-head.csv.gz", 17_434, 17_429, {"view_item": 17_055, "add_to_cart": 165, "purchase": 214}),
        (
            "taobao", "taobao/user-behavior-slice.csv.gz", 110_300, 110_300,
            {"view_item": 98_361, "add_to_cart": 6_063, "add_to_wishlist": 3_383, "purchase": 2_493},
        ),
        ("uci_eshop", "uci_eshop/eshop-clothing-2008.csv.gz", 165_474, 165_474, {"view_item": 165_474}),
        ("rsc15", "rsc15/yoochoose-clicks-100k-train_full.tsv.gz", 70_278, 70_277, {"view_item": 70_278}),
    ],
)  # fmt: skip
def test_a_real_log_is_read_whole_and_in_time_order(
    name: str, file: str, count: int, distinct: int, types: dict[str, int]
) -> None:
    source = open_source(name, shared(file))
    read = list(source.events())
    assert not [record for record in read if isinstance(record, Rejected)]
    good = [record for record in read if isinstance(record, Event)]
    assert len(good) == count
    assert len({event.event_id for event in good}) == distinct
    assert Counter(event.event_type for event in good) == types
    assert all(before.occurred_at <= after.occurred_at for before, after in pairwise(good))
    assert all(event.session_id for event in good)
    assert {event.item_id for event in good} == {item.item_id for item in source.items()}
