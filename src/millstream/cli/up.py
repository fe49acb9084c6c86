"""`millstream up`: start PostgreSQL and the worker."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import click
from rich.console import Console
from rich.markup import escape

from millstream import server
from millstream.cli.signals import stop_on_signals
from millstream.cli.supervision import CLOCKS, AlreadyUp, is_held, read_state
from millstream.cli.supervisor import Supervisor
from millstream.errors import MillstreamError
from millstream.server import Home, Server
from millstream.server.process import tail, wait_until

START_SECONDS = 180.0


@click.command(name="up")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1. Default: the last one, else a free one."
)
@click.option(
    "--clock",
    type=click.Choice(CLOCKS),
    help="What now() means to the views: wall (time of day) or event (the newest event's time, for replaying history)."
    " Default: the one of the last start, else wall.",
)
@click.option("--foreground", is_flag=True, help="Stay attached and log here; Ctrl-C stops everything.")
@click.pass_obj
def command(home: Home, port: int | None, clock: str | None, foreground: bool) -> None:
    """Start PostgreSQL and the worker, in the background.

    Both are watched and started again when they die. If they run already, this says so and succeeds.
    With MILLSTREAM_DSN set (PostgreSQL 18 or newer), only the worker is started, on that server.

    \b
    Example:
      millstream up
      millstream up --port 5433 --clock event
    """
    if is_held(home):
        _already_up(home, port, clock)
        return
    last = read_state(home)
    clock = clock or (last.clock if last else "wall")
    if foreground:
        _attached(home, port, clock)
    else:
        _detached(home, port, clock)


def _attached(home: Home, port: int | None, clock: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = stop_on_signals()
    Supervisor(home, port, clock).run(stop, lambda started: _announce(started, clock, "Ctrl-C"))


def _detached(home: Home, port: int | None, clock: str) -> None:
    home.prepare()
    log_path = home.logs / "supervisor.log"
    log_start = log_path.stat().st_size if log_path.exists() else 0
    reading, writing = os.pipe()
    argv = [sys.executable, "-m", "millstream.cli.supervise", "--home", str(home.path), "--clock", clock]
    if port is not None:
        argv += ["--port", str(port)]
    with os.fdopen(reading) as answers:
        with log_path.open("ab") as log:
            try:
                subprocess.Popen(
                    [*argv, "--tell", str(writing)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[writing],
                    start_new_session=True,
                )
            finally:
                os.close(writing)
        text = answers.read()  # until the supervisor has answered, or died
    answer = json.loads(text) if text else {}
    if "already" in answer:  # another `up` was faster
        _already_up(home, port, clock)
        return
    if "error" in answer:
        raise MillstreamError(answer["error"])
    if "port" not in answer:
        raise MillstreamError(
            f"the supervisor died while starting. Its log {log_path} says:\n{tail(log_path, log_start)}"
        )
    _announce(server.connect(home.path), clock, "millstream down")


def _already_up(home: Home, port: int | None, clock: str | None) -> None:
    def is_ready() -> bool:
        state = read_state(home)
        return state is not None and state.ready

    if not wait_until(is_ready, START_SECONDS):
        raise AlreadyUp(f"another `millstream up` of {home.path} does not come to its end; see {home.logs}")
    state, running = read_state(home), server.find(home.path)
    assert state is not None
    if clock not in (None, state.clock):
        raise MillstreamError(
            f"already up with clock {state.clock}. To change it: millstream down, then up again."
        )
    if running is None:
        raise MillstreamError(
            f"PostgreSQL is being started again after it died; see {home.log_path}. Try again."
        )
    if port not in (None, running.port):
        raise MillstreamError(
            f"already up on port {running.port}. To change it: millstream down, then up again."
        )
    click.echo(f"already up: PostgreSQL on {running.host}:{running.port}, clock {state.clock}")


def _announce(started: Server, clock: str, stop: str) -> None:
    console = Console(highlight=False)
    console.print(
        f"[bold green]up[/]: PostgreSQL on {started.host}:{started.port}, clock {clock}, home {escape(str(started.home.path))}",
        soft_wrap=True,
    )
    for meaning, line in (
        ("look around", "millstream psql"),
        ("for applications", "millstream dsn --role reader"),
        ("for loaders", "millstream dsn --role writer"),
        ("what happens", "millstream status"),
        ("stop", stop),
    ):
        console.print(f"  {meaning:<17} [bold]{line}[/]")
