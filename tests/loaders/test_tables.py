"""Catalogue, people, stock and links from files; items that only events name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from loaders.commands.load import load
from tests.loaders.logs import fields, write_jsonl

Ran = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "home"))


@pytest.fixture
def ran(dsn: str) -> Ran:
    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(load, [*arguments, "--dsn", dsn])
        assert result.exit_code == 0, result.output
        return result

    return run


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def rows(owner: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    return owner.execute(query).fetchall()  # type: ignore[arg-type]


def test_a_catalogue_is_loaded_with_stock_and_changed_rows_alone_are_sent_again(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    text = "id,title,genres,price,active\nlamp,Desk lamp,Light,24.5,yes\nchair,Chair,,80,no\n,Nothing,,,\nx,X,,dear,\n"
    path = written(tmp_path / "products.csv", text)
    output = ran("items", path, "--stock", "7").output
    assert "2 rows of items were new or changed, of 4 read" in output
    assert "item_id is missing" in output
    assert "price must be a finite number, not 'dear'" in output
    assert rows(owner, "select item_id, name, category, price, is_active from items order by 1") == [
        ("chair", "Chair", None, 80.0, False),
        ("lamp", "Desk lamp", "Light", 24.5, True),
    ]
    assert rows(owner, "select * from inventory order by 1") == [("chair", 0), ("lamp", 7)]
    assert "0 rows of items were new or changed" in ran("items", path).output
    dearer = written(tmp_path / "prices.csv", "sku,price\nlamp,30\nsofa,500\n")
    assert "2 rows of items were new or changed" in ran("items", dearer).output
    assert rows(owner, "select name, category, price, is_active from items where item_id <> 'chair' order by 1") == [
        ("Desk lamp", "Light", 30.0, True),
        ("Item sofa", None, 500.0, True),
    ], "what the file does not say is as it was"  # fmt: skip


def test_people_stock_and_links_are_loaded_too(ran: Ran, owner: psycopg.Connection, tmp_path: Path) -> None:
    people = written(
        tmp_path / "people.jsonl", '{"id": 1, "group": "gold", "age": 40, "city": "Lund"}\n{"id": 0}\n'
    )
    output = ran("users", people, "--map", "attributes.age=age", "--map", "attributes.home=city").output
    assert "1 row rejected" in output
    assert rows(owner, "select user_id, segment, attributes from users") == [
        ("1", "gold", {"age": "40", "home": "Lund"})
    ]
    ran("users", written(tmp_path / "more.csv", "userId,plz\n1,22100\n"), "--map", "attributes.postcode=plz")
    assert rows(owner, "select attributes from users") == [
        ({"age": "40", "home": "Lund", "postcode": "22100"},)
    ]
    ran("inventory", written(tmp_path / "stock.tsv", "sku\tonHand\nlamp\t3.0\nchair\t0\n"))
    assert rows(owner, "select * from inventory order by 1") == [("chair", 0), ("lamp", 3)]
    links = written(tmp_path / "links.csv", "cookie,customer\nc1,1\nc2,\n")
    output = ran("identities", links).output
    assert "user_id is missing" in output
    assert rows(owner, "select * from identities") == [("c1", "1")]


def test_what_a_table_needs_is_told(dsn: str, tmp_path: Path) -> None:
    path = written(tmp_path / "stock.csv", "sku,n\nlamp,3\n")
    for arguments in (["--guess"], ["--dsn", dsn]):
        result = CliRunner().invoke(load, ["inventory", path, *arguments])
        assert "quantity: how many units; add --map quantity=FIELD" in result.output
    output = CliRunner().invoke(load, ["inventory", path, "--map", "quantity=n", "--guess"]).output
    assert "item_id=lamp, quantity=3" in output


def test_a_format_that_is_a_mapping_gives_its_catalogue_alone(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = written(tmp_path / "pixels.jsonl", json.dumps({"sku": "a", "title": "A"}) + "\n")
    mapping = written(tmp_path / "shop.yml", "events: {user_id: u}\nitems: {item_id: sku, name: title}\n")
    ran("items", path, "--mapping", mapping)
    assert rows(owner, "select item_id, name from items") == [("a", "A")]


def test_events_without_a_catalogue_make_items_and_a_second_log_adds_its_own(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(
        tmp_path / "log.jsonl", [fields(0, item_id="lamp", price=3.5), fields(1, item_id=None)]
    )
    output = ran("jsonl", str(path)).output
    assert "items made of what these events name: 1;" in output
    assert rows(owner, "select item_id, name, price, is_active from items") == [
        ("lamp", "Item lamp", 3.5, True)
    ]
    assert rows(owner, "select * from inventory") == [("lamp", 100)]
    write_jsonl(path, [fields(0, item_id="lamp", price=3.5), fields(2, item_id="chair")])
    assert "items made of what these events name: 1;" in ran("jsonl", str(path)).output
    assert "without a row" not in ran("jsonl", str(path)).output


def test_a_catalogue_is_never_changed_by_events_and_what_it_lacks_is_told(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    ran("items", written(tmp_path / "products.csv", "sku,name\nlamp,Desk lamp\nsofa,Sofa\n"))
    log = "user,sku,product_name,event,ts\na,lamp,LAMP,view,1772366400\na,chair,CHAIR,view,1772366401\n"
    path = written(tmp_path / "clicks.csv", log)
    output = ran(path).output
    assert "2 events loaded" in output
    assert "without a row in `items`: 1; they are counted but never shown" in output
    assert "run again with --items-from-events" in output
    assert rows(owner, "select name from items order by 1") == [("Desk lamp",), ("Sofa",)]
    output = ran(path, "--items-from-events").output
    assert "0 events loaded, 2 were already there" in output
    assert "items made of what these events name: 1;" in output
    assert rows(owner, "select name from items order by 1") == [("CHAIR",), ("Desk lamp",), ("Sofa",)]
    assert "without a row" not in ran(path).output


def test_names_that_another_log_brought_count_as_a_catalogue(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """As docs/howto/load-your-data.md says, with its remedy."""
    header = "user,sku,product_name,event,ts\n"
    ran(written(tmp_path / "clicks.csv", f"{header}a,lamp,LAMP,view,1772366400\n"))
    other = written(tmp_path / "other.csv", f"{header}a,chair,CHAIR,view,1772366401\n")
    assert "without a row in `items`: 1;" in ran(other).output
    assert "items made of what these events name: 1;" in ran(other, "--items-from-events").output
    assert rows(owner, "select name from items order by 1") == [("CHAIR",), ("LAMP",)]


def test_made_items_may_be_refused(ran: Ran, owner: psycopg.Connection, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    assert "without a row in `items`: 1;" in ran("jsonl", str(path), "--no-items-from-events").output
    assert rows(owner, "select count(*) from items") == [(0,)]


def test_a_load_that_was_killed_while_it_made_items_goes_on_making_them(
    ran: Ran, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """As after a kill: some of the items that this log makes are there, and no event is."""
    log = "user,sku,product_name,event,ts\na,lamp,LAMP,view,1772366400\na,chair,CHAIR,view,1772366401\n"
    path = written(tmp_path / "clicks.csv", log)
    owner.execute("insert into items (item_id, name, is_active) values ('lamp', 'LAMP', true)")
    assert "items made of what these events name: 1;" in ran(path).output
    assert rows(owner, "select name from items order by 1") == [("CHAIR",), ("LAMP",)]


def test_who_a_visitor_is_comes_with_the_log(ran: Ran, owner: psycopg.Connection, tmp_path: Path) -> None:
    call = {
        "type": "identify",
        "messageId": "m",
        "anonymousId": "c1",
        "userId": "anna",
        "timestamp": "2026-03-01T12:00:00Z",
    }
    path = written(tmp_path / "calls.jsonl", json.dumps(call) + "\n")
    output = ran("segment", path).output
    assert "visitors who turned out to be known people: 1" in output
    assert "left out as no events of this mapping: 1" in output
    assert rows(owner, "select * from identities") == [("c1", "anna")]
    assert "turned out" not in ran("segment", path).output
