"""Up, kills, down: with the real server and the real worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

import millstream.server
from millstream.engine import deploy
from millstream.server.process import is_alive, leftovers, wait_until
from millstream.supervisor.supervisor import Backoff
from tests.cli.conftest import ended
from tests.cli.program import Program


def until(program: Program, holds: Any, seconds: float = 120.0) -> dict[str, Any]:
    """Poll `status --json` until `holds(status)`; return that status."""
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.append(program.status())
        return bool(holds(seen[-1]))

    assert wait_until(look, seconds), f"did not come true; last status: {seen[-1]}"
    return seen[-1]


def test_up_serves_and_says_how_to_get_in(running: Program) -> None:
    status = running.status()
    assert status["server"]["running"]
    assert status["worker"]["running"]
    assert status["engine"]["clock"] == "wall"
    until(running, lambda found: found["engine"]["worker_connected"] and found["engine"]["tick"] > 0)
    assert running("status").returncode == 0


def test_up_again_says_so_and_changes_nothing(running: Program) -> None:
    before = running.status()
    answer = running("up")
    assert answer.returncode == 0
    assert answer.stdout.startswith(
        f"already up: PostgreSQL on 127.0.0.1:{before['server']['port']}, clock wall"
    )
    assert running.status()["worker"]["pid"] == before["worker"]["pid"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--clock", "event", "already up with clock wall"), ("--port", "1", "already up on port")],
)
def test_up_again_with_another_setting_is_refused(
    running: Program, option: str, value: str, message: str
) -> None:
    answer = running("up", option, value)
    assert answer.returncode == 1
    assert message in answer.stderr


def test_down_stops_everything_keeps_the_data_and_can_be_repeated(fresh: Program) -> None:
    program = fresh
    assert "nothing runs" in program("down").stdout
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    first = program("up", "--port", str(port), "--clock", "event")
    assert first.returncode == 0, first.stderr
    assert f"127.0.0.1:{port}" in first.stdout
    assert program("psql", "--role", "owner", "--", "-c", "create table kept ()").returncode == 0
    assert program("down").stdout == "stopped\n"
    assert ended(program.home)
    assert not (program.home / "data" / "postmaster.pid").exists()  # a clean stop
    status = program("status")
    assert status.returncode == 3
    assert "not running: millstream up" in status.stdout
    assert "nothing runs" in program("down").stdout
    assert program("up").returncode == 0
    again = program.status()
    assert (again["server"]["port"], again["engine"]["clock"]) == (port, "event")
    assert program("psql", "--role", "owner", "--", "-c", "table kept").returncode == 0


def test_what_is_killed_is_started_again(program: Program) -> None:
    assert program("up").returncode == 0
    first = program.status()
    os.kill(first["worker"]["pid"], signal.SIGKILL)
    second = until(
        program, lambda now: now["worker"]["running"] and now["worker"]["pid"] != first["worker"]["pid"]
    )
    assert second["worker"]["restarts"] >= 1
    assert second["server"]["pid"] == first["server"]["pid"]
    os.kill(second["server"]["pid"], signal.SIGKILL)
    third = until(
        program,
        lambda now: (
            now["server"]["running"]
            and now["server"]["pid"] != second["server"]["pid"]
            and now["worker"]["running"]
            and now["engine"]["worker_connected"]
        ),
    )
    assert third["server"]["restarts"] == 1
    assert third["server"]["port"] == first["server"]["port"]


def test_a_killed_backend_takes_all_sessions_along_and_everything_comes_back(program: Program) -> None:
    """As the kernel does where memory has run out."""
    assert program("up").returncode == 0
    first = program.status()
    with psycopg.connect(millstream.server.connect(program.home).dsn()) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    second = until(
        program,
        lambda now: (
            now["server"]["running"]
            and now["worker"]["running"]
            and now["worker"]["pid"] != first["worker"]["pid"]
            and now["engine"]["worker_connected"]
        ),
    )
    assert second["server"]["pid"] == first["server"]["pid"]
    assert second["supervisor"]["pid"] == first["supervisor"]["pid"]


def test_nothing_outlives_a_killed_supervisor_and_up_works_again(program: Program) -> None:
    assert program("up").returncode == 0
    status = program.status()
    os.kill(status["supervisor"]["pid"], signal.SIGKILL)
    pids = (status["server"]["pid"], status["worker"]["pid"])
    assert wait_until(lambda: not any(map(is_alive, pids)) and not leftovers(program.home / "data"), 60)
    assert not program.status()["worker"]["running"]
    assert program("up").returncode == 0
    assert program.status()["worker"]["running"]


@pytest.mark.parametrize("way", ["moved", "removed"])
def test_what_runs_in_a_home_that_vanishes_stops_and_up_makes_a_new_one(program: Program, way: str) -> None:
    assert program("up").returncode == 0
    before = program.status()
    elsewhere = program.home.with_name("elsewhere")
    program.home.rename(elsewhere)
    if way == "removed":
        shutil.rmtree(elsewhere, ignore_errors=True)
    pids = [before[part]["pid"] for part in ("supervisor", "worker", "server")]
    assert wait_until(lambda: not any(map(is_alive, pids)), 90)
    assert not program.home.exists()
    assert program("up").returncode == 0
    assert program.status()["worker"]["running"]


def test_two_ups_at_once_start_one(program: Program) -> None:
    with program.start("up") as one, program.start("up") as other:
        texts = [process.communicate(timeout=120)[0] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), texts
    assert sorted(text.split(":")[0] for text in texts) in (
        ["already up", "up"],
        ["already up", "already up"],
    )


def test_up_in_the_foreground_ends_everything_at_ctrl_c(program: Program) -> None:
    with program.start("up", "--foreground") as process:
        until(program, lambda found: found["worker"]["running"])
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert "Traceback" not in text
    assert ended(program.home)


def test_with_the_worker_dead_reads_go_on_and_status_shows_the_lag(program: Program) -> None:
    with server_of(program) as opened:
        with deploy.connect(opened.dsn()) as connection:
            deploy.deploy_table(
                connection, "events", "create table events (event_id bigint primary key, item text)"
            )
            deploy.deploy_view(
                connection, "per_item", "select item, count(*) as events from events group by item"
            )
            connection.execute("insert into events values (1, 'a'), (2, 'b'), (3, 'a')")
            assert connection.execute("select * from per_item").fetchall() == []
        found = program("status", "--json")
        assert found.returncode == 3
        status = program.status()
        assert not status["worker"]["running"]
        assert status["engine"]["queued"] == {"events": 3}
        text = program("status").stdout
        assert "events 3 rows" in text
        assert "per_item" in text
        started = program("up")
        assert started.returncode == 0, started.stderr
        caught_up = until(program, lambda now: now["engine"]["queued"] == {"events": 0})
        assert caught_up["engine"]["tick_age_seconds"] is not None
        with psycopg.connect(opened.dsn()) as connection:
            query = "select item, events from per_item order by item"
            assert connection.execute(query).fetchall() == [("a", 2), ("b", 1)]
        assert program("down").returncode == 0


def test_with_a_server_of_ones_own_only_the_worker_is_started_and_stopped(
    fresh: Program, template: Path
) -> None:
    with millstream.server.open(shutil.copytree(template, fresh.home.with_name("own"))) as own:
        with psycopg.connect(own.dsn(), autocommit=True) as connection:
            for role in ("millstream_reader", "millstream_writer"):
                connection.execute(f"drop owned by {role}")
                connection.execute(f"drop role {role}")
        setting = {"MILLSTREAM_DSN": own.dsn()}
        try:
            started = fresh("up", **setting)
            assert started.returncode == 0, started.stderr
            status = json.loads(fresh("status", "--json", **setting).stdout)
            assert (status["server"]["external"], status["server"]["port"]) == (True, own.port)
            assert status["worker"]["running"]
            assert not (fresh.home / "data").exists()
        finally:
            fresh("down", **setting)
        assert not is_alive(status["worker"]["pid"])
        assert own.is_alive()


def server_of(program: Program) -> millstream.server.Server:
    """A server on the program's home without a worker, as after the worker's death."""
    return millstream.server.open(program.home)


def test_a_backoff_doubles_up_to_its_longest_and_starts_over_after_a_steady_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backoff = Backoff()
    assert [backoff.died() for _ in range(9)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]
    assert backoff.due == now + 15.0
    backoff.started()
    now += 61
    assert backoff.died() == 0.2


def test_the_supervisor_ends_a_reader_that_set_its_limits_away_or_changes_its_role(running: Program) -> None:
    before = running.status()["supervisor"]["sessions_ended"]
    dsn = running("dsn", "--role", "reader").stdout.strip()
    for change in ("set search_path = nosuch", "password 'mine'"):
        with psycopg.connect(dsn, autocommit=True) as reader:
            reader.execute("set default_transaction_read_only = off")
            with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                reader.execute(f"alter role millstream_reader {change}".encode())
    with psycopg.connect(dsn, autocommit=True) as reader:
        reader.execute("set idle_in_transaction_session_timeout = 0; set transaction_timeout = 0")
        reader.execute("begin; select 1")
        until(running, lambda found: found["supervisor"]["sessions_ended"] == before + 3)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            reader.execute("select 1")
    log = (running.home / "logs" / "supervisor.log").read_text()
    assert "it changed its role" in log
    assert "idle_in_transaction_session_timeout is 10s; it set its own away" in log
    assert "sessions ended" in running("status").stdout
