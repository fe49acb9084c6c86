"""Files of any columns: mapped, recognised, shown before they are loaded, and loaded exactly once."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from loaders.commands.load import load
from loaders.commands.replay import replay
from loaders.formats.registry import open_source
from loaders.mapping.arguments import MapOptions
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected
from tests.loaders.logs import shared

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLICKS = "userId;product.id;ts;action;product.name;price\n" + "".join(
    f"{line}\n"
    for line in (
        "anna;lamp;1772366400;pageview;Desk lamp;24.5",
        "anna;lamp;1772366400;pageview;Desk lamp;24.5",
        "anna;chair;1772366460;buy;Chair;80",
        "bo;;1772366470;scroll;;",
        "bo;lamp;noon;view;Desk lamp;24.5",
    )
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, name: str = "file", **columns: object) -> list[Event]:
    source = open_source(name, path, columns=MapOptions(**columns))  # type: ignore[arg-type]
    return [record for record in source.events() if isinstance(record, Event)]


def rejected(path: Path, **columns: object) -> list[Rejected]:
    source = open_source("file", path, columns=MapOptions(**columns))  # type: ignore[arg-type]
    return [record for record in source.events() if isinstance(record, Rejected)]


def run(*arguments: str, command: object = load) -> Result:
    return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]


def rows(owner: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    return owner.execute(query).fetchall()  # type: ignore[arg-type]


def test_usual_names_are_recognised_whatever_the_file_is(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = [
        {"user": {"id": 7}, "product": {"id": "lamp"}, "event": "pageview", "ts": 1772366400000, "qty": None},
        {"user": {"id": 7}, "product": {"id": "lamp"}, "event": "order", "ts": 1772366400500, "qty": 2},
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    table = "uid,sku,action,timestamp,qty\n7,lamp,pageview,1772366400000,\n7,lamp,order,1772366400500,2\n"
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "log.parquet")
    (tmp_path / "log.parquet.gz").write_bytes(gzip.compress((tmp_path / "log.parquet").read_bytes()))
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(table.encode()))
    files = [
        written(tmp_path / "log.jsonl", lines),
        written(tmp_path / "export", lines),
        written(tmp_path / "log.csv", table),
        written(tmp_path / "log.tsv", table.replace(",", "\t")),
        written(tmp_path / "export.txt", table.replace(",", "|")),
        written(tmp_path / "marked.csv", "\ufeff" + table),
        tmp_path / "log.csv.gz",
        tmp_path / "log.parquet",
        tmp_path / "log.parquet.gz",
    ]
    for file in files:
        view, order = read(file)
        assert (view.user_id, view.item_id, view.event_type, view.occurred_at) == (
            "7",
            "lamp",
            "view_item",
            NOON,
        )
        assert (order.event_type, order.quantity, order.occurred_at.microsecond) == (
            "purchase",
            2,
            500_000,
        ), file


def test_options_name_nested_fields_constants_templates_and_words(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log.jsonl",
        json.dumps({"who": {"login": "", "cookie": "c1"}, "visit": 3, "what": [{"id": 5}], "at": "1.3.2026 13:00", "do": "look"}) + "\n",
    )  # fmt: skip
    (event,) = read(
        path,
        maps=("user_id=who.login", "anonymous_id=who.mail", "anonymous_id=who.cookie", "item_id=what.0.id",
              "session_id={who.cookie}-{visit}", "event_type=do", "occurred_at=at", "device='web'"),
        constants=("country=SE",), values=("event_type:look=view_item",), time="%d.%m.%Y %H:%M", timezone="Europe/Stockholm",
    )  # fmt: skip
    assert (event.user_id, event.anonymous_id, event.item_id, event.session_id) == (None, "c1", "5", "c1-3")
    assert (event.event_type, event.country, event.device, event.occurred_at) == (
        "view_item",
        "SE",
        "web",
        NOON,
    )


@pytest.mark.parametrize(
    ("value", "time", "zone"),
    [
        (1772366400, None, None),
        ("1772366400", None, None),
        ("1772366400.0", None, None),
        (1.7723664e9, None, None),
        (1772366400000, None, None),
        ("1772366400000000", None, None),
        (1772366400000000000, None, None),
        ("2026-03-01T12:00:00Z", None, None),
        ("2026-03-01 12:00:00 UTC", None, None),
        ("2026-03-01 14:00:00+02:00", None, None),
        ("2026-03-01 12:00", None, None),
        ("2026-03-01 13:00", "iso", "Europe/Berlin"),
        (1772366400, "seconds", "Europe/Berlin"),
        ("1772366400000", "milliseconds", None),
        (1772366400000000, "microseconds", None),
        (1772366400000000000, "nanoseconds", None),
        ("01/03/2026 07:00 -0500", "%d/%m/%Y %H:%M %z", "Europe/Berlin"),
    ],
)
def test_times_are_read_as_they_are_written(
    tmp_path: Path, value: object, time: str | None, zone: str | None
) -> None:
    record = {"user_id": "u", "item_id": "i", "event_type": "view_item", "ts": value}
    path = written(tmp_path / "log.jsonl", json.dumps(record) + "\n")
    assert [event.occurred_at for event in read(path, time=time, timezone=zone)] == [NOON]


def test_eight_digits_are_a_day_and_not_a_moment_of_1970(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", "user_id,item_id,event_type,date\nu,i,view,20260301\n")
    assert read(path)[0].occurred_at == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["soon", "", None, True, [1], {"a": 1}, 1e300, "99999999999999999999999", "nan"]
)
def test_what_is_no_time_is_rejected(tmp_path: Path, value: object) -> None:
    record = {"user_id": "u", "item_id": "i", "event_type": "view_item", "ts": value}
    (row,) = rejected(written(tmp_path / "log.jsonl", json.dumps(record) + "\n"))
    assert row.reason.startswith("occurred_at ")
    assert row.line == 1


def test_ids_that_passed_through_a_table_of_numbers_are_whole_again(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log.jsonl", '{"user_id": 12.0, "item_id": 5.0, "event": "view", "ts": 1772366400.0}\n'
    )
    (event,) = read(path)
    assert (event.user_id, event.item_id) == ("12", "5")


def test_a_row_that_stands_twice_is_two_events_and_two_files_with_it_are_the_same_two(tmp_path: Path) -> None:
    events = read(written(tmp_path / "a.csv", CLICKS))
    assert len({event.event_id for event in events}) == len(events) == 4
    first, second = (event.event_id for event in events[:2])
    assert second == f"{first}-2"
    lines = CLICKS.splitlines(keepends=True)
    other = written(tmp_path / "b.csv", lines[0] + "".join(reversed(lines[1:])))
    assert Counter(event.event_id for event in read(other)) == Counter(event.event_id for event in events)


def test_an_id_of_the_file_is_kept_and_must_be_there(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log.csv", "event_id,user,item,event,ts\na,u,i,view,1772366400\n,u,i,view,1772366400\n"
    )
    assert [event.event_id for event in read(path)] == ["a"]
    assert [row.reason for row in rejected(path)] == ["event_id is missing"]


def test_a_visitor_of_one_session_is_a_visitor(tmp_path: Path) -> None:
    (event,) = read(
        written(tmp_path / "log.csv", "SessionId,ItemId,action,Time\n9,21,click,1396860669.277\n")
    )
    assert (event.session_id, event.anonymous_id) == ("9", "9")


def test_a_mapping_may_stand_in_a_file(tmp_path: Path) -> None:
    mapping = written(
        tmp_path / "shop.yml",
        "user_id: kunde\nitem_id: artikel\noccurred_at: {from: zeit, time: milliseconds}\n"
        "event_type: {from: was, values: {angesehen: view_item, gekauft: purchase}, others: leave out}\n",
    )
    path = written(
        tmp_path / "log.csv",
        "kunde,artikel,zeit,was\na,1,1772366400000,angesehen\na,1,1772366401000,gekauft\na,1,1772366402000,x\n",
    )
    assert [event.event_type for event in read(path, mapping=str(mapping))] == ["view_item", "purchase"]
    short = written(
        tmp_path / "short.yml", "user_id: kunde\nitem_id: artikel\noccurred_at: zeit\nwas: {a: b}\n"
    )
    with pytest.raises(LoaderError, match=r"short\.yml: events: events has no column 'was'"):
        read(path, mapping=str(short))


def test_words_of_a_column_may_stand_alone_in_a_mapping(tmp_path: Path) -> None:
    mapping = written(
        tmp_path / "shop.yml", "user_id: u\nitem_id: i\noccurred_at: t\nevent_type: {pageview: view_item}\n"
    )
    path = written(tmp_path / "log.csv", "u,i,t,event_type\na,1,1772366400,pageview\n")
    assert [event.event_type for event in read(path, mapping=str(mapping))] == ["view_item"]


def test_the_mapping_of_the_docs_makes_what_they_say(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "load-your-data.md"
    block = re.search(r"^    events:\n(?:    .*\n)+", page.read_text(), re.MULTILINE)
    assert block is not None
    mapping = written(tmp_path / "shop.yml", textwrap.dedent(block[0]))
    order = {"lines": [{"sku": "a", "title": "A", "path": "Light > Desks"}, {"sku": "b"}]}
    record = {
        "kind": "order",
        "at": "01.03.2026 13:00",
        "visit": 4,
        "customer": {"mail": "a@b.example"},
        "order": order,
    }
    path = written(tmp_path / "log.jsonl", json.dumps(record) + "\n" + json.dumps({"kind": "ping"}) + "\n")
    source = open_source("file", path, columns=MapOptions(mapping=str(mapping)))
    first, second = (event for event in source.events() if isinstance(event, Event))
    assert (first.event_type, first.user_id, first.item_id, first.currency) == (
        "purchase",
        "a@b.example",
        "a",
        "EUR",
    )
    assert (second.item_id, second.occurred_at) == ("b", NOON)
    assert [(item.name, item.category) for item in source.items()] == [("A", "Light"), ("Item b", None)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "a table of names and values is expected"),
        ("events: [1]\n", "a table of names and values is expected"),
        ("event_type: {from: a, valuez: {}}\n", "unknown key 'valuez'"),
        ("event_type: {constant: a, time: iso}\n", "a constant stands alone"),
        ("event_type: {from: a, others: keeep}\n", "must be one of keep, leave out, reject"),
        ("event_type: {from: a, part: 0}\n", "part must be a number from 1"),
        ("event_type: null\n", "a table of names and values is expected"),
        ("each: items\nitem_id: a\n", "name the element and its list"),
        ("file: {kind: excel}\nitem_id: a\n", "kind must be one of"),
        ("shape: round\nitem_id: a\n", "shape must be one of"),
        ("items: {item_id: a}\n", "no rule for events"),
        ("item_id: 'a\n", "no YAML file that can be read"),
        ("timezone: Europe/Atlantis\nitem_id: a\n", "unknown time zone 'Europe/Atlantis'"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    mapping = written(tmp_path / "shop.yml", text)
    with pytest.raises(LoaderError, match=words):
        read(written(tmp_path / "log.csv", "a,b\n1,2\n"), mapping=str(mapping))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--map", "user=userId"], "events has no column 'user'"),
        (["--map", "user_id"], "write --map user_id=userId"),
        (["--map", "event_type=view_item"], "--set event_type=view_item"),
        (["--map", "user_id=nobody"], "the columns are userId, product.id"),
        (["--value", "event_type=view"], "has no column 'event_type=view'"),
        (["--value", "event_type:view"], "write column, word and value"),
        (["--mapping", "nothing.yml"], "neither a file nor one of ga4, movielens"),
        (["--delimiter", "::"], "must be one character"),
        (["--header", "a,a"], "the column 'a' stands twice"),
        (["--timezone", "Mars"], "unknown time zone"),
        (["--time", "bogus"], "no such way to write times: 'bogus'; write one of seconds"),
    ],
)
def test_wrong_options_are_refused_with_what_to_write(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    path = written(tmp_path / "clicks.csv", CLICKS)
    result = run(str(path), *arguments, "--guess")
    assert result.exit_code == 1
    assert words in result.output


def test_a_format_with_columns_of_its_own_takes_no_mapping(tmp_path: Path) -> None:
    path = written(tmp_path / "clicks.csv", CLICKS)
    assert "are fixed" in run("rees46", str(path), "--map", "user_id=a", "--guess").output
    assert "is a mapping itself" in run("otto", str(path), "--mapping", "ga4", "--guess").output


def test_guess_shows_what_would_be_loaded_and_loads_nothing(tmp_path: Path) -> None:
    output = run(str(written(tmp_path / "clicks.csv", CLICKS)), "--guess").output
    assert "user_id        userId  (recognised)" in output
    assert "event_id       made of the row's content" in output
    assert "item name      product.name" in output
    assert (
        "event_type=view_item, user_id=anna, item_id=lamp, price=24.5, occurred_at=2026-03-01T12:00:00+00:00"
        in output
    )
    assert "1 × event_type 'scroll' is none that the views know" in output
    assert "1 × rejected: occurred_at must be a time" in output


def test_what_is_missing_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", "who,sku,n\na,1,2\n")
    for arguments in (("--guess",), ("--dsn", "postgresql://127.0.0.1:1/none")):
        output = run(str(path), *arguments).output
        assert "if every row is a view, add --set event_type=view_item" in output
        assert "occurred_at: when it happened; add --map occurred_at=FIELD" in output
        assert "user_id or anonymous_id: who; add --map user_id=FIELD" in output
    assert "not used: who, n" in run(str(path), "--guess").output


def test_a_file_with_a_header_and_no_rows_is_understood(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", "user,item,event,ts\n")
    assert "user_id        user  (recognised)" in run(str(path), "--guess").output
    assert read(path) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nowhere.csv", "no such file"),
        ("some/where", "no such file"),
        (".", "a folder; name its format before it"),
    ],
)
def test_a_path_that_is_no_file_is_refused_as_a_path(given: str, words: str) -> None:
    result = run(given, "--guess")
    assert result.exit_code == 1
    assert words in result.output


def test_a_field_that_no_record_has_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "log.jsonl", '{"user": "a", "item": "i", "event": "view", "ts": 1772366400}\n')
    output = run(str(path), "--map", "user_id=usr.id", "--guess").output
    assert "no row of the first 1 has usr.id, named for user_id" in output


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_the_kind_of_the_file_may_be_said_for_the_format(tmp_path: Path, name: str) -> None:
    text = {"csv": "a,b,c\nu,i,1772366400\n", "jsonl": '{"a": "u", "b": "i", "c": 1772366400}\n'}[name]
    path = written(tmp_path / "export.dat", text)
    maps = ("user_id=a", "item_id=b", "occurred_at=c")
    (event,) = read(path, name, maps=maps, constants=("event_type=view_item",))
    assert (event.user_id, event.item_id, event.occurred_at) == ("u", "i", NOON)


def test_a_damaged_file_gives_what_can_be_read(tmp_path: Path) -> None:
    lines = "".join(
        json.dumps({"user": "u", "item": n, "event": "view", "ts": 1772366400 + n}) + "\n"
        for n in range(5_000)
    )
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(lines.encode())[:-5_000])
    assert 0 < len(read(path)) < 5_000
    assert "damaged after this line" in rejected(path)[-1].reason


def test_a_file_is_loaded_once_and_a_grown_one_goes_on(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = written(tmp_path / "clicks.csv", CLICKS)
    first = run(str(path), "--dsn", dsn)
    assert first.exit_code == 0, first.output
    assert "recognised: event_type=action, user_id=userId" in first.output or "user_id=userId" in first.output
    assert "4 events loaded, 0 were already there" in first.output
    assert "1 row rejected" in first.output
    assert "0 events loaded, 4 were already there" in run(str(path), "--dsn", dsn).output
    written(
        path,
        CLICKS + "anna;lamp;1772366400;pageview;Desk lamp;24.5\ncid;lamp;1772366500;view;Desk lamp;24.5\n",
    )
    assert "2 events loaded, 4 were already there" in run(str(path), "--dsn", dsn).output
    assert rows(owner, "select count(*), count(distinct event_id) from events") == [(6, 6)]
    assert rows(owner, "select item_id, name, price from items order by 1") == [
        ("chair", "Chair", 80.0),
        ("lamp", "Desk lamp", 24.5),
    ]


def test_a_mapped_file_is_replayed_like_another_log(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = written(tmp_path / "clicks.csv", CLICKS)
    result = run(str(path), "--dsn", dsn, "--rate", "1000", command=replay)
    assert "4 events replayed" in result.output
    assert "0 events loaded, 4 were already there" in run(str(path), "--dsn", dsn).output


def test_a_load_that_was_killed_goes_on_without_loss_or_doubles(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    lines = (f"u{n % 50},i{n % 30},{1772366400 + n // 3}\n" for n in range(20_000))
    path = written(tmp_path / "log.csv", "user,item,ts\n" + "".join(lines))
    command = [
        sys.executable, "-m", "loaders", "load", str(path), "--set", "event_type=view_item", "--dsn", dsn, "--chunk", "500",
        "--flush-every", "500", "--no-progress",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    while process.poll() is None and rows(owner, "select count(*) from events") == [(0,)]:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    there = int(str(rows(owner, "select count(*) from events")[0][0]))
    assert 0 < there < 20_000
    again = run(str(path), "--set", "event_type=view_item", "--dsn", dsn)
    assert again.exit_code == 0, again.output
    assert rows(owner, "select count(*), count(distinct event_id) from events") == [(20_000, 20_000)]
    assert rows(owner, "select count(*) from items") == [(30,)]


@pytest.mark.parametrize(
    ("name", "file", "columns"),
    [
        ("rees46", "rees46/2019-oct-head.csv.gz", {}),
        ("taobao", "taobao/user-behavior-slice.csv.gz", {"header": "user_id,item_id,category_id,behavior,unix_ts"}),
        ("rsc15", "rsc15/yoochoose-clicks-100k-train_full.tsv.gz", {"constants": ("event_type=view_item",)}),
    ],
)  # fmt: skip
def test_a_real_log_is_recognised_and_says_what_its_own_format_says(
    name: str, file: str, columns: dict[str, object]
) -> None:
    def facts(events: list[Event]) -> Iterator[tuple[object, ...]]:
        return ((e.event_type, e.user_id, e.item_id, e.price, e.occurred_at) for e in events)

    path = shared(file)
    own = [event for event in open_source(name, path).events() if isinstance(event, Event)]
    mapped = read(path, **columns)
    assert Counter(facts(mapped)) == Counter(facts(own))
    assert len({event.event_id for event in mapped}) == len(own)
