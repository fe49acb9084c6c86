"""A disk that is full or read-only: nothing dies of it for good, nothing is written half, and the remedy is named."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Home, process
from millstream.server.process import Child, is_alive, wait_until
from millstream.supervisor.state_file import StateFile, SupervisorState
from tests.cli.conftest import program_on
from tests.cli.program import Program
from tests.cli.test_up_down import until
from tests.disks import fill, mount, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 400) as path:
        yield path


@pytest.fixture
def program(disk: Path, template: Path) -> Iterator[Program]:
    """The program on a stopped home on a small disk."""
    yield from program_on(shutil.copytree(template, disk / "home"))


@pytest.fixture
def empty(disk: Path) -> Iterator[Program]:
    """The program on a small disk without a home."""
    yield from program_on(disk / "home")


def unfinished(home: Path) -> list[str]:
    return [str(path) for path in home.rglob("*") if path.name.endswith(".new") or "initdb." in path.name]


def test_what_a_full_disk_ends_comes_back_with_the_space_and_with_every_acknowledged_row(
    program: Program, disk: Path
) -> None:
    assert program("up").returncode == 0
    before = program.status()
    writer = millstream.server.connect(program.home).dsn("owner")
    with psycopg.connect(writer, autocommit=True) as connection:
        connection.execute("create table kept (number int, text text)")
        fill(disk)
        acknowledged = 0
        with pytest.raises(psycopg.Error):
            while True:
                connection.execute("insert into kept values (%s, repeat('x', 2000))", [acknowledged])
                acknowledged += 1
    for part in ("worker", "server"):
        os.kill(before[part]["pid"], signal.SIGKILL)
    log = program.home / "logs" / "supervisor.log"
    assert wait_until(
        lambda: not is_alive(before["server"]["pid"]) and not is_alive(before["worker"]["pid"]), 30
    )
    assert not wait_until(lambda: not is_alive(before["supervisor"]["pid"]), 3), log.read_text()
    (disk / "ballast").unlink()
    after = until(program, lambda now: now["worker"]["running"] and now["engine"]["worker_connected"])
    assert after["supervisor"]["pid"] == before["supervisor"]["pid"]
    assert after["server"]["port"] == before["server"]["port"]
    with psycopg.connect(writer) as connection:
        row = connection.execute("select count(*), count(distinct number) from kept").fetchone()
    assert row is not None and acknowledged <= row[0] == row[1] <= acknowledged + 1
    assert unfinished(program.home) == []


def test_up_on_a_full_disk_names_the_disk_the_bytes_and_the_remedy(empty: Program, disk: Path) -> None:
    ballast = fill(disk)
    refused = empty("up")
    assert refused.returncode == 1
    assert f"The file system {disk} has 0 bytes free" in refused.stderr
    assert "67,108,864 to start" in refused.stderr and "du -xh" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert unfinished(disk) == []
    ballast.unlink()
    assert empty("up").returncode == 0
    fill(disk)
    assert empty("down").stdout == "stopped\n"


def test_a_disk_without_room_for_a_data_directory_is_left_as_it_was(empty: Program, disk: Path) -> None:
    (fill(disk)).unlink()
    with (disk / "ballast").open("wb") as file:
        file.write(b"x" * (380 << 20))
    refused = empty("up")
    assert refused.returncode == 1
    assert "initdb failed" in refused.stderr and f"The file system {disk} has" in refused.stderr
    assert unfinished(disk) == []


def test_a_read_only_disk_is_said(program: Program, disk: Path) -> None:
    assert mount("-o", "remount,ro", disk).returncode == 0
    try:
        answers = [program("up"), program("up", "--foreground"), program("down"), program("status")]
    finally:
        assert mount("-o", "remount,rw", disk).returncode == 0
    for answer in answers[:2]:
        assert answer.returncode == 1
        assert f"mount -o remount,rw {disk}" in answer.stderr
    assert [answer.returncode for answer in answers[2:]] == [0, 3]
    assert not any("Traceback" in answer.stderr for answer in answers)


def test_a_state_that_the_disk_does_not_take_is_written_when_it_does(disk: Path) -> None:
    home = Home(disk / "home")
    home.prepare()
    state = SupervisorState(pid=1, started_at="2026-01-01")
    file = StateFile(home, state, retry_seconds=0.0)
    file.write()
    written = (home.path / "supervisor.json").read_text()
    ballast = fill(disk)
    state.worker_pid = 2
    file.write()
    assert (home.path / "supervisor.json").read_text() == written
    assert unfinished(home.path) == []
    ballast.unlink()
    file.catch_up()
    assert '"worker_pid": 2' in (home.path / "supervisor.json").read_text()


def test_a_program_runs_whose_log_cannot_be_made(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "print('said')"], tmp_path / "absent" / "some.log")
    assert child.ended(30) and child.returncode == 0


def test_a_long_log_is_put_aside_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_BYTES", 10)
    path = tmp_path / "some.log"
    with path.open("ab", buffering=0) as log:
        log.write(b"the first lines\n")
        process.rotate(path)
        log.write(b"more\n")
        process.rotate(path)
    assert path.read_text() == "more\n"
    assert path.with_name("some.log.1").read_text() == "the first lines\n"
