"""Replaying live: in time order, on schedule, stopping and going on, moved like the load before it."""

from __future__ import annotations

import json
import os
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
from loaders.loading.replay import Replayed, replay
from loaders.loading.schedule import Schedule
from loaders.schema.errors import LoaderError
from loaders.schema.rows import event
from tests.loaders.logs import NOON, fields, write_jsonl

ROOT = Path(__file__).parents[2]


def quiet_replay(dsn: str, path: Path, **options: object) -> Replayed:
    return replay(dsn, open_source("jsonl", path), show_progress=False, **options)


def arrived(owner: psycopg.Connection) -> list[str]:
    """Ids in the order of what happened."""
    return [row[0] for row in owner.execute("select event_id from events order by occurred_at, event_id")]


def test_events_arrive_in_time_order_whatever_the_order_of_the_file(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    numbers = [5, 3, 9, 0, 7, 1, 8, 2, 6, 4]
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in numbers])
    replayed = quiet_replay(plain_dsn, path, rate=10_000)
    assert replayed.sent == 10
    in_order_of_arrival = plain_owner.execute("select event_id from stand_in.events order by ctid").fetchall()
    assert [row[0] for row in in_order_of_arrival] == [f"e{number:06}" for number in range(10)]


def test_a_speed_of_20x_takes_a_twentieth_of_the_time(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(21)])
    began = time.monotonic()
    quiet_replay(dsn, path, speed=20)
    assert time.monotonic() - began >= 1.0, "20 s of the log at 20x last a second"


def test_the_schedule_does_not_depend_on_how_long_sending_takes() -> None:
    schedule = Schedule(speed=60, rate=None)
    first = schedule.due(event("a", "view_item", NOON), 0)
    later = schedule.due(event("b", "view_item", NOON + timedelta(minutes=3)), 1)
    assert later - first == pytest.approx(3.0)
    rate = Schedule(speed=None, rate=50)
    assert rate.due(event("c", "view_item", NOON), 10) - rate.due(
        event("d", "view_item", NOON), 0
    ) == pytest.approx(0.2)


@pytest.mark.parametrize(("speed", "rate"), [(None, None), (1, 1), (0, None), (None, -1)])
def test_exactly_one_positive_pace_must_be_given(speed: float | None, rate: float | None) -> None:
    with pytest.raises(LoaderError):
        Schedule(speed, rate)


def test_what_was_loaded_is_left_out_and_the_rest_is_moved_like_it(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(20)])
    split = NOON + timedelta(seconds=12)
    end = datetime(2030, 1, 1, tzinfo=UTC)
    load(dsn, open_source("jsonl", path, until=split), shift_to=end, show_progress=False)
    replayed = replay(dsn, open_source("jsonl", path, since=split), rate=1_000, show_progress=False)
    assert (replayed.sent, replayed.already_there) == (8, 0)
    assert replayed.first_event_at == end + timedelta(seconds=1)
    assert (
        owner.execute("select max(occurred_at), max(received_at) from events").fetchone()
        == (end + timedelta(seconds=8),) * 2
    )


def test_without_a_load_before_shift_to_is_when_the_first_event_happens(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(5)])
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    quiet_replay(dsn, path, rate=1_000, shift_to=begin)
    assert owner.execute("select min(occurred_at) from events").fetchone() == (begin,)


def test_stamped_events_happen_when_they_are_sent(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(5)])
    before = datetime.now(UTC)
    quiet_replay(dsn, path, rate=1_000, stamp_now=True)
    rows = owner.execute("select occurred_at, received_at from events").fetchall()
    assert len(rows) == 5
    for occurred_at, received_at in rows:
        assert before <= occurred_at == received_at <= datetime.now(UTC)


def test_stop_ends_a_replay_that_waits_and_the_next_one_goes_on(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(10)])
    stop = threading.Event()
    results: list[Replayed] = []
    slow = threading.Thread(target=lambda: results.append(quiet_replay(dsn, path, rate=0.01, stop=stop)))
    slow.start()
    deadline = time.monotonic() + 30
    while not arrived(owner):
        assert time.monotonic() < deadline
    stop.set()
    slow.join(timeout=10)
    assert not slow.is_alive()
    assert (results[0].sent, results[0].stopped) == (1, True)
    rest = quiet_replay(dsn, path, rate=1_000)
    assert (rest.sent, rest.already_there) == (9, 1)
    assert arrived(owner) == [f"e{number:06}" for number in range(10)]


def test_ctrl_c_stops_the_command_cleanly_with_its_result(
    dsn: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(10)])
    command = "from loaders.commands.replay import replay; replay()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "jsonl", str(path), "--rate", "0.01", "--dsn", dsn, "--json", "--no-progress"],
        cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "MILLSTREAM_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not arrived(owner):
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    result = json.loads(output)
    assert (result["sent"], result["stopped"]) == (1, True)


def test_a_broken_connection_is_made_anew_and_no_event_is_lost_or_doubled(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    plain_owner.execute("""
        create table stand_in.cuts (cut boolean);
        create function stand_in.cut() returns trigger language plpgsql security definer as $$
        begin
            if new.event_id = 'e000006' and (select count(*) from pg_stat_activity
                where application_name = 'millstream-replay' and datname = current_database()
                and backend_start > (select at from stand_in.flushes)) = 0
            then perform pg_terminate_backend(pg_backend_pid()); end if;
            return new;
        end $$;
        create trigger cut before insert on stand_in.events for each row execute function stand_in.cut()""")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(12)])
    replayed = quiet_replay(plain_dsn, path, rate=1_000, batch=4)
    assert replayed.sent == 12
    assert arrived(plain_owner) == [f"e{number:06}" for number in range(12)]


def test_a_server_that_stays_away_ends_the_replay_with_the_remedy(
    plain_dsn: str, plain_owner: psycopg.Connection, tmp_path: Path
) -> None:
    plain_owner.execute("""
        create function stand_in.cut() returns trigger language plpgsql security definer as $$
        begin
            perform pg_terminate_backend(pg_backend_pid());
            return new;
        end $$;
        create trigger cut before insert on stand_in.events for each row execute function stand_in.cut()""")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    with pytest.raises(LoaderError, match="repeat the command"):
        quiet_replay(plain_dsn, path, rate=1_000, reconnect_seconds=0.5)
