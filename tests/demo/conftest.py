"""The demo, played for real on nine days of the log: killed while it loads, then run to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Server
from tests.project.compiled import ROOT

UNTIL = datetime(2017, 1, 10, tzinfo=UTC)
SECONDS = 280.0


@dataclass
class Demo:
    """A home and the commands on it."""

    home: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `millstream …` in the project's directory."""
        program = Path(sys.executable).with_name("millstream")
        return subprocess.Popen(
            [str(program), *arguments],
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `millstream …` to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def play(self) -> subprocess.CompletedProcess[str]:
        """Run the demo once, from wherever the home is."""
        return self.run("demo", "--once", "--history-until", f"{UNTIL:%Y-%m-%d}")

    @property
    def server(self) -> Server:
        return millstream.server.connect(self.home)

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(role), autocommit=True)


def events_there(home: Path) -> int:
    """Events in the home's database, 0 while there is nothing to ask."""
    running = millstream.server.find(home) if home.exists() else None
    if running is None:
        return 0
    try:
        with psycopg.connect(running.dsn("owner"), autocommit=True) as connection:
            row = connection.execute("select count(*) from events").fetchone()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return 0
    return int(row[0]) if row else 0


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
    made = Demo(
        folder / "home",
        {**clean, "MILLSTREAM_HOME": str(folder / "home"), "DBT_TARGET_PATH": str(folder / "target")},
    )
    try:
        yield made
    finally:
        stopped = made.run("down")
        assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def killed(demo: Demo) -> int:
    """How many events were there when the first demo was killed in the middle of its load."""
    process = demo.start("demo", "--once", "--history-until", f"{UNTIL:%Y-%m-%d}")
    deadline = time.monotonic() + SECONDS
    while (there := events_there(demo.home)) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert there > 0
    return there


@pytest.fixture(scope="session")
def played(demo: Demo, killed: int) -> subprocess.CompletedProcess[str]:
    """The run that goes on after the killed one."""
    assert killed
    finished = demo.play()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished
