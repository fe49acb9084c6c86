"""Ports, directories, versions and permissions that are in the way: the error names them and the remedy."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import millstream.server
from millstream.server import Home, Server, ServerError, launch
from tests.server.opened import Opened


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_an_asked_port_that_is_taken_is_named(made: Path, taken_port: int) -> None:
    with pytest.raises(ServerError, match=rf"port {taken_port} on 127.0.0.1 is taken.*[Cc]hoose another"):
        millstream.server.open(made, port=taken_port)


def test_an_asked_port_is_used_and_remembered(made: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with millstream.server.open(made, port=port) as server:
        assert server.port == port
    assert Home(made).read().port == port


def test_a_remembered_port_that_is_taken_is_replaced(made: Path) -> None:
    with millstream.server.open(made) as first:
        pass
    with socket.create_server(("127.0.0.1", first.port)), millstream.server.open(made) as second:
        assert second.port != first.port


def test_asking_a_running_server_for_another_port_is_refused(server: Server) -> None:
    with pytest.raises(ServerError, match=rf"already runs, on port {server.port}.*millstream down"):
        millstream.server.open(server.home.path, port=server.port + 1)


def test_a_data_directory_taken_by_a_server_that_is_not_ours_is_named(server: Server) -> None:
    content = server.home.read()
    original = dict(content.passwords)
    content.passwords["owner"] = "guess"
    server.home.write(content)
    with pytest.raises(ServerError, match=rf"taken by PostgreSQL process {server.pid}.*kill -INT"):
        millstream.server.open(server.home.path)
    content.passwords = original
    server.home.write(content)


def test_a_running_server_whose_password_file_was_lost_is_named(server: Server) -> None:
    content = server.home.read()
    server.home.server_file.unlink()
    with pytest.raises(ServerError, match=rf"taken by PostgreSQL process {server.pid}.*lost passwords"):
        millstream.server.open(server.home.path)
    server.home.write(content)


def test_a_server_that_is_not_set_up_yet_is_not_found(server: Server) -> None:
    content = server.home.read()
    server.home.write(replace(content, pid=None))
    assert millstream.server.find(server.home.path) is None
    server.home.write(content)
    assert millstream.server.find(server.home.path) is not None


def test_a_home_that_another_process_holds_is_waited_for_and_then_named(home: Path) -> None:
    with Home(home).lock(), pytest.raises(ServerError, match=rf"held by process {os.getpid()}"):
        millstream.server.open(home, timeout=0.1)
    with open(home / "lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any longer


def test_data_of_another_major_version_is_refused_and_untouched(made: Path) -> None:
    version = made / "data" / "PG_VERSION"
    original = version.read_text()
    version.write_text("17\n")
    with pytest.raises(ServerError, match=r"made by PostgreSQL 17 and opens with no other.*PostgreSQL 18"):
        millstream.server.open(made)
    version.write_text(original)


def test_something_else_in_the_data_directory_is_refused_and_untouched(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "diary.txt").write_text("dear diary")
    with pytest.raises(ServerError, match="not a PostgreSQL data directory.*Move it away"):
        millstream.server.open(home)
    assert (home / "data" / "diary.txt").read_text() == "dear diary"


def test_a_half_made_cluster_that_is_not_ours_is_refused_and_untouched(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "PG_VERSION").write_text("18\n")
    with pytest.raises(ServerError, match="half-made.*pg_control"):
        millstream.server.open(home)
    assert (home / "data" / "PG_VERSION").exists()


def test_an_empty_data_directory_is_used(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    with millstream.server.open(home) as server:
        assert server.is_alive()


def test_a_data_directory_open_to_others_is_refused(made: Path) -> None:
    (made / "data").chmod(0o755)
    with pytest.raises(ServerError, match="mode 0755.*chmod 700"):
        millstream.server.open(made)


def test_a_password_file_that_others_can_read_is_refused(made: Path) -> None:
    (made / "server.json").chmod(0o644)
    with pytest.raises(ServerError, match="mode 0644.*chmod 600"):
        millstream.server.open(made)


def test_a_damaged_password_file_is_named(home: Path) -> None:
    Home(home).prepare()
    (home / "server.json").write_text("{")
    (home / "server.json").chmod(0o600)
    with pytest.raises(ServerError, match="server.json is damaged.*delete the file"):
        millstream.server.open(home)


def test_a_home_that_is_a_file_is_named(home: Path) -> None:
    home.write_text("")
    with pytest.raises(ServerError, match="cannot make the home directory.*MILLSTREAM_HOME"):
        millstream.server.open(home)


def test_the_log_is_quoted_when_postgresql_refuses_its_settings(made: Path) -> None:
    (made / "data" / "local.conf").write_text("work_memory = '7MB'\n")
    with pytest.raises(ServerError, match=r"(?s)ended at once.*work_memory"):
        millstream.server.open(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_data_of_another_user_is_refused(made: Path) -> None:
    os.chown(made / "data", 1234, 1234)
    with pytest.raises(ServerError, match="belongs to uid 1234"):
        millstream.server.open(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as another user")
def test_a_home_of_another_user_is_refused() -> None:
    home = Path("/var/tmp") / f"millstream-test-{os.getpid()}-mine"
    home.mkdir(mode=0o755)
    try:
        with Opened(home, user=launch.NOBODY) as opener:
            assert "cannot make the home directory" in opener.answer()["error"]
        assert stat.S_IMODE(home.stat().st_mode) == 0o755
    finally:
        home.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can need a namespace")
def test_root_is_told_when_nobody_could_not_reach_the_home(home: Path) -> None:
    with Opened(home, "--no-namespace") as opener:  # pytest's own directory is private to root
        error = opener.answer()["error"]
    assert "not reachable for uid 65534" in error
    assert "denied by the test" in error
    assert "MILLSTREAM_HOME" in error


def test_server_json_says_what_it_is_said_to(server: Server) -> None:
    content = json.loads(server.home.server_file.read_text())
    assert content["port"] == server.port
    assert content["pid"] == server.pid
    assert set(content["passwords"]) == {"owner", "writer", "reader"}
