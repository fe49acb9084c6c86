"""Loading into source relations: exactly once, resumable, bad rows apart, one constant offset."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from loaders.formats.registry import open_source
from loaders.loading.load import load
from loaders.schema.errors import LoaderError
from loaders.target.connection import WriterConnection
from loaders.target.rejects import RejectsFile, RejectsRelation
from tests.loaders.logs import NOON, fields, write_jsonl

ROOT = Path(__file__).parents[2]


def count(owner: psycopg.Connection, relation: str = "events") -> int:
    row = owner.execute(f"select count(*) from {relation}").fetchone()
    assert row is not None
    return int(row[0])


def quiet_load(dsn: str, path: Path, **options: object):
    return load(dsn, open_source("jsonl", path), show_progress=False, **options)


def test_every_event_arrives_with_its_columns(dsn: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    event = fields(
        0, session_id="s", quantity=2, price=1.5, currency="EUR", dwell_seconds=3.25, search_query="söt", list_id="l",
        position=4, rec_id="r", country="SE", device="phone", referrer="mail", consent=True, anonymous_id="a",
        received_at="2026-03-01T13:00:01+01:00",
    )  # fmt: skip
    quiet_load(dsn, write_jsonl(tmp_path / "log.jsonl", [event]))
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute("select * from events")
        (row,) = cursor.fetchall()
        arrived = dict(zip([column.name for column in cursor.description or ()], row, strict=True))
    event |= {"occurred_at": NOON, "received_at": NOON + timedelta(seconds=1)}
    assert arrived == event


def test_an_event_without_received_at_was_received_when_it_happened(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    quiet_load(dsn, write_jsonl(tmp_path / "log.jsonl", [fields(0)]))
    assert owner.execute("select received_at from events").fetchone() == (NOON,)


def test_loading_twice_sends_nothing_the_second_time(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(2_500)])
    first = quiet_load(dsn, path, chunk=400)
    second = quiet_load(dsn, path, chunk=300)
    assert (first.read, first.sent, first.already_there) == (2_500, 2_500, 0)
    assert (second.read, second.sent, second.already_there) == (2_500, 0, 2_500)
    assert count(owner) == 2_500


def test_the_first_of_an_event_id_wins(dsn: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    log = [fields(0, item_id="first"), fields(0, item_id="second"), fields(1)]
    quiet_load(dsn, write_jsonl(tmp_path / "log.jsonl", log))
    quiet_load(dsn, write_jsonl(tmp_path / "other.jsonl", [fields(0, item_id="third")]))
    rows = owner.execute("select item_id from events where event_id = 'e000000'").fetchall()
    assert rows == [("first",)]


def test_an_earlier_part_that_is_loaded_later_is_loaded(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(100)])
    middle = NOON + timedelta(seconds=50)
    load(dsn, open_source("jsonl", path, since=middle), show_progress=False)
    assert count(owner) == 50
    assert load(dsn, open_source("jsonl", path), show_progress=False, chunk=70).sent == 50
    assert count(owner) == 100


LOAD_SLOWLY = """
import sys
from pathlib import Path
from loaders.formats.registry import open_source
from loaders.loading.load import load
load(sys.argv[1], open_source("jsonl", Path(sys.argv[2])), show_progress=False, chunk=100, flush_every=100)
"""


def test_a_load_killed_in_the_middle_goes_on_and_never_doubles(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    events = 10_000
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(events)])
    process = subprocess.Popen([sys.executable, "-c", LOAD_SLOWLY, dsn, str(path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while count(owner) < 500:
        owner.execute("select pg_sleep(0.01)")
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = count(owner)
    assert 500 <= there < events, "the process was to be killed in the middle"

    again = quiet_load(dsn, path)

    assert count(owner) == events
    sent_again = events - again.sent
    assert sent_again >= there, "what was there is not sent again"
    assert again.already_there + again.sent == events


def test_bad_rows_are_kept_with_place_and_reason_and_the_load_goes_on(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    lines = [
        json.dumps(fields(0)).encode(),
        b"{not json",
        b'["a", "list"]',
        json.dumps(fields(1, quantity="many")).encode(),
        json.dumps(fields(2, price=1e400)).encode(),
        json.dumps(fields(3, occurred_at="2026-03-01T12:00:00")).encode(),
        json.dumps(fields(4, itemid="x")).encode(),
        json.dumps(fields(5, event_id=None)).encode(),
        json.dumps(fields(6, item_id="a\x00b")).encode(),
        b'{"event_id": "\xff"}',
        json.dumps(fields(7)).encode(),
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    with RejectsFile(tmp_path / "rejects" / "log.jsonl") as rejects:
        loaded = quiet_load(dsn, path, rejects=rejects)
    assert count(owner) == 2
    assert (loaded.read, loaded.sent, loaded.rejected) == (11, 2, 9)
    kept = [json.loads(line) for line in (tmp_path / "rejects" / "log.jsonl").read_text().splitlines()]
    assert [row["line"] for row in kept] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert {row["file"] for row in kept} == {str(path)}
    reasons = [row["reason"] for row in kept]
    for reason, words in zip(
        reasons,
        ["not JSON", "not a JSON object", "quantity must be a whole number", "price must be a finite number",
         "no time zone", "unknown field 'itemid'", "event_id is missing", "NUL", "not UTF-8"],
        strict=True,
    ):  # fmt: skip
        assert words in reason
    assert any(f"{path}:2" in line for line in loaded.reasons)


def test_a_row_that_the_server_refuses_is_rejected_alone(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    plain_owner.execute("alter table stand_in.events add constraint tame check (item_id <> 'wild')")
    log = [fields(number, item_id="wild" if number in (3, 40) else "tame") for number in range(64)]
    with RejectsFile(tmp_path / "rejects.jsonl") as rejects:
        loaded = quiet_load(plain_dsn, write_jsonl(tmp_path / "log.jsonl", log), rejects=rejects)
    assert (loaded.sent, loaded.rejected, count(plain_owner)) == (62, 2, 62)
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert ["event_id=e000003" in row["payload"] for row in kept] == [True, False]
    assert all("tame" in row["reason"] for row in kept)


def test_rejected_rows_may_go_to_events_raw_and_go_there_once(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0), "{broken", fields(1)])
    for _ in range(2):
        with WriterConnection(dsn) as target, RejectsRelation(target) as rejects:
            quiet_load(dsn, path, rejects=rejects)
    rows = owner.execute("select payload, source_partition, source_offset from events_raw").fetchall()
    assert rows == [("{broken", "rejected:log.jsonl", "2")]


def test_a_shifted_log_ends_at_the_given_moment_and_keeps_its_distances(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(10)])
    end = datetime(2030, 1, 1, tzinfo=UTC)
    quiet_load(dsn, path, shift_to=end)
    times = [row[0] for row in owner.execute("select occurred_at from events order by event_id")]
    assert times == [end - timedelta(seconds=9 - number) for number in range(10)]


def test_the_rest_of_a_shifted_log_is_moved_by_the_same_offset(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(10)])
    half = open_source("jsonl", path, until=NOON + timedelta(seconds=5))
    end = datetime(2030, 1, 1, tzinfo=UTC)
    first = load(dsn, half, shift_to=end, show_progress=False)
    rest = quiet_load(dsn, path, shift_to=end + timedelta(days=3))
    assert rest.offset == first.offset
    times = [row[0] for row in owner.execute("select occurred_at from events order by event_id")]
    assert times == [end + timedelta(seconds=number - 4) for number in range(10)]


def test_limit_counts_events_and_not_rejected_rows(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", ["{broken", *(fields(number) for number in range(10))])
    loaded = load(dsn, open_source("jsonl", path, limit=3), show_progress=False)
    assert (loaded.sent, count(owner)) == (3, 3)


def test_the_loader_waits_for_the_views_after_so_many_events(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(1_000)])
    quiet_load(plain_dsn, path, chunk=100, flush_every=200)
    assert count(plain_owner, "stand_in.flushes") == 1 + 1 + 5, (
        "at first, after the items, for every 200 events"
    )


def test_a_loader_is_never_ahead_of_the_views_by_more_than_twice_that(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    """The views of this server catch up only when the test lets go of a lock."""
    plain_owner.execute("""
        create or replace procedure millstream.flush() language plpgsql security definer as $$
        begin
            if exists (select from stand_in.events) then
                perform pg_advisory_lock_shared(1);
                perform pg_advisory_unlock_shared(1);
            end if;
        end $$""")
    plain_owner.execute("select pg_advisory_lock(1)")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(200)])
    loader = threading.Thread(
        target=quiet_load, args=(plain_dsn, path), kwargs={"chunk": 10, "flush_every": 20}
    )
    loader.start()
    try:
        deadline = time.monotonic() + 30
        while count(plain_owner) < 40:
            assert time.monotonic() < deadline
        for _ in range(20):
            plain_owner.execute("select pg_sleep(0.01)")
            assert count(plain_owner) == 40
    finally:
        plain_owner.execute("select pg_advisory_unlock(1)")
        loader.join(timeout=30)
    assert count(plain_owner) == 200


def test_an_unknown_format_is_refused_with_the_list_of_formats() -> None:
    with pytest.raises(LoaderError, match=r"unknown format 'excel'.*\n.*file.*\n.*completejourney") as caught:
        open_source("excel")
    assert "rees46" in str(caught.value)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(LoaderError, match=r"nowhere\.jsonl: no such file"):
        open_source("jsonl", tmp_path / "nowhere.jsonl")


def test_a_server_that_is_not_there_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    with pytest.raises(LoaderError, match="millstream up"):
        quiet_load("postgresql://writer@127.0.0.1:1/none", path)


def test_a_server_that_goes_away_in_the_middle_is_told_with_the_remedy(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    plain_owner.execute("""
        create function stand_in.cut() returns trigger language plpgsql security definer as $$
        begin
            if new.event_id = 'e000150' then perform pg_terminate_backend(pg_backend_pid()); end if;
            return new;
        end $$;
        create trigger cut before insert on stand_in.events for each row execute function stand_in.cut()""")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(200)])
    with pytest.raises(LoaderError, match=r"after 100 events.*repeat the command"):
        quiet_load(plain_dsn, path, chunk=100)
    plain_owner.execute("drop trigger cut on stand_in.events")
    assert quiet_load(plain_dsn, path).sent == 100
    assert count(plain_owner) == 200


def test_views_that_nobody_computes_are_told_with_the_remedy(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    plain_owner.execute("""
        create or replace procedure millstream.flush() language plpgsql as $$
        begin raise exception 'the views did not catch up within 1 minute'; end $$""")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    with pytest.raises(LoaderError, match=r"did not catch up.*millstream up"):
        quiet_load(plain_dsn, path)
