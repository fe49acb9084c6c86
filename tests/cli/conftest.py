"""Fixtures of the command line's tests: a home whose processes are gone at the end, and the program run for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import millstream.server
from millstream.server.process import leftovers, wait_until
from tests.cli.program import Program


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings must not reach into a test."""
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)


def ended(home: Path) -> bool:
    """Whether no PostgreSQL process and no process with the home on its command line is left."""
    named = subprocess.run(["pgrep", "-f", "--", f"--home {home}"], capture_output=True, check=False)
    return not leftovers(home / "data") and named.returncode == 1


def program_on(home: Path) -> Iterator[Program]:
    program = Program(
        [sys.executable, "-c", "from millstream.cli import main; main()", "--home", str(home)], home
    )
    yield program
    program("down")
    assert wait_until(lambda: ended(home), 60), "processes were left behind"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has been made and is stopped: copying it is cheaper than making one."""
    path = tmp_path_factory.mktemp("template") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLSTREAM_DSN", raising=False)
        millstream.server.open(path).stop()
    return path


@pytest.fixture
def program(tmp_path: Path, template: Path) -> Iterator[Program]:
    """The program on a stopped home of the test's own."""
    yield from program_on(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Program]:
    """The program on a home that does not exist yet."""
    yield from program_on(tmp_path / "home")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Program]:
    """The program on a home that is up, for tests that leave it so."""
    for program in program_on(shutil.copytree(template, tmp_path_factory.mktemp("running") / "home")):
        answer = program("up")
        assert answer.returncode == 0, answer.stderr
        yield program
