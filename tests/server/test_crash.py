"""Kills: of the server, of its parent, of its making."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import psycopg

import millstream.server
from millstream.server.process import is_alive, leftovers, wait_until
from tests.server.opened import Opened


def test_a_killed_server_recovers_with_every_acknowledged_row(made: Path) -> None:
    first = millstream.server.open(made)
    assert first.pid is not None
    with psycopg.connect(first.dsn(), autocommit=True) as connection:
        connection.execute("create table kept (number int)")
        for number in range(50):
            connection.execute("insert into kept values (%s)", [number])
        os.kill(first.pid, signal.SIGKILL)
    assert (made / "data" / "postmaster.pid").exists()
    with millstream.server.open(made) as second:
        assert second.pid != first.pid
        with psycopg.connect(second.dsn()) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (50,)


def test_a_killed_server_opens_again_though_a_backend_still_computes(made: Path) -> None:
    first = millstream.server.open(made)
    assert first.pid is not None

    def compute() -> None:
        with suppress(psycopg.Error), psycopg.connect(first.dsn()) as connection:
            connection.execute(
                "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b"
            )

    thread = threading.Thread(target=compute)
    with psycopg.connect(first.dsn()) as connection:
        thread.start()
        connection.autocommit = True
        computing = "select pid from pg_stat_activity where query like 'select count(*) from generate%'"
        assert wait_until(lambda: connection.execute(computing).fetchone() is not None, 10)
        row = connection.execute(computing).fetchone()
    assert row is not None
    os.kill(first.pid, signal.SIGKILL)
    with millstream.server.open(made) as second:
        assert not is_alive(row[0])
        psycopg.connect(second.dsn()).close()
    thread.join()


def test_a_stale_pid_that_now_belongs_to_a_stranger_is_no_obstacle(made: Path) -> None:
    with millstream.server.open(made) as first:
        lines = (made / "data" / "postmaster.pid").read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (made / "data" / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert millstream.server.find(made) is None
        with millstream.server.open(made) as second:
            assert second.port == first.port
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stopped_process_is_told_from_a_living_one() -> None:
    child = subprocess.Popen(["true"])
    assert wait_until(lambda: not is_alive(child.pid), 5)  # a zombie: nobody has waited for it yet
    child.wait()
    assert is_alive(os.getpid())


def test_no_process_is_left_when_the_parent_is_killed(made: Path) -> None:
    with Opened(made) as opener:
        answer = opener.answer()
        assert len(leftovers(made / "data")) > 3
        opener.kill()
        assert wait_until(lambda: not is_alive(answer["pid"]) and not leftovers(made / "data"), 10)
    assert not (made / "data" / "postmaster.pid").exists()  # it was a clean stop
    with millstream.server.open(made) as again, psycopg.connect(again.dsn()) as connection:
        assert connection.execute("select max(number) from visits").fetchone() == (1,)


def test_a_home_whose_making_was_killed_midway_starts_over(home: Path) -> None:
    with Opened(home) as opener:
        assert wait_until(lambda: any(home.glob("initdb.*/data/PG_VERSION")), 30)
        opener.kill()
    assert not (home / "data").exists()
    with millstream.server.open(home) as server:
        psycopg.connect(server.dsn()).close()
    with millstream.server.open(home):  # and by now nothing is left of it
        assert not list(home.glob("initdb.*"))


def test_a_home_killed_between_its_making_and_its_roles_gets_them(made: Path) -> None:
    with millstream.server.open(made) as first, psycopg.connect(first.dsn(), autocommit=True) as connection:
        connection.execute("drop owned by millstream_reader")
        connection.execute("drop role millstream_reader")
    with millstream.server.open(made) as second:
        psycopg.connect(second.dsn("reader")).close()


def test_passwords_that_were_lost_are_made_anew_and_the_data_is_kept(made: Path) -> None:
    with millstream.server.open(made) as first, psycopg.connect(first.dsn()) as connection:
        connection.execute("create table kept ()")
    (made / "server.json").unlink()
    with millstream.server.open(made) as second:
        assert second.dsn("owner").partition("@")[0] != first.dsn("owner").partition("@")[0]
        with psycopg.connect(second.dsn()) as connection:
            connection.execute("select from kept")
        psycopg.connect(second.dsn("reader")).close()
