"""Fixtures of the server's tests: an empty home, a server on it, and nothing left running."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import millstream.server
from millstream.server import Server
from millstream.server.process import leftovers, wait_until


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings must not reach into a test."""
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that does not exist yet. Whatever a test leaves running on it is stopped, and is a failure."""
    path = tmp_path / "home"
    yield path
    try:
        assert wait_until(lambda: not leftovers(path / "data"), 10), "PostgreSQL processes were left behind"
    finally:
        running = millstream.server.find(path) if path.exists() else None
        if running is not None:
            running.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped home: copying it is cheaper than making one."""
    path = tmp_path_factory.mktemp("template") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLSTREAM_DSN", raising=False)
        millstream.server.open(path).stop()
    return path


@pytest.fixture
def made(home: Path, template: Path) -> Path:
    """A home that has been used and is stopped."""
    shutil.copytree(template, home)
    return home


@pytest.fixture
def server(made: Path) -> Iterator[Server]:
    """A server on a home of the test's own."""
    with millstream.server.open(made) as opened:
        yield opened


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    """A server for tests that only look at it or use a database of it in passing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILLSTREAM_DSN", raising=False)
        path = shutil.copytree(template, tmp_path_factory.mktemp("shared") / "home")
        with millstream.server.open(path) as opened:
            yield opened
