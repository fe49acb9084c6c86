"""`millstream up`: start PostgreSQL and the worker."""

from __future__ import annotations

import logging
import subprocess
import sys

import click
import psycopg
from rich.console import Console
from rich.markup import escape

from millstream import server
from millstream.cli.status import read_engine
from millstream.cli.wishes import Wishes, choose
from millstream.errors import MillstreamError
from millstream.server import Home, Server
from millstream.server.options import addresses, write_options
from millstream.server.process import rotate, wait_until
from millstream.server.rights import GUIDE, open_doors
from millstream.supervisor.signals import stop_on_signals
from millstream.supervisor.start_report import start_telling
from millstream.supervisor.state_file import CLOCKS, AlreadyUp, is_held, read_state
from millstream.supervisor.supervisor import Supervisor

START_SECONDS = 180.0


@click.command(name="up")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1. Default: the last one, else a free one."
)
@click.option(
    "--clock",
    type=click.Choice(CLOCKS),
    help="What now() means to the views: wall (time of day) or event (the newest event's time, for replaying history)."
    " Fixed at the first tick of a database. Default: the database's, at first wall.",
)
@click.option("--readers", type=int, help="Connections that readers may have at once. Default: 100.")
@click.option(
    "--writers", type=int, help="Connections that writers may have at once, 3 or more. Default: 20."
)
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDRESS",
    help="Address on which other machines get in, with TLS only; 0.0.0.0 is all, 127.0.0.1 this machine only.",
)
@click.option(
    "--tls",
    metavar="CERT KEY",
    help="Speak TLS with this certificate and key (PEM files), or with one made here: --tls self-signed. off: no more.",
)
@click.argument("key", required=False, metavar="")
@click.option("--foreground", is_flag=True, help="Stay attached and log here; Ctrl-C stops everything.")
@click.pass_obj
def command(
    home: Home,
    port: int | None,
    clock: str | None,
    readers: int | None,
    writers: int | None,
    listen: tuple[str, ...],
    tls: str | None,
    key: str | None,
    foreground: bool,
) -> None:
    """Start PostgreSQL and the worker, in the background.

    Both are watched and started again when they die. If they run already, this says so and succeeds.
    With MILLSTREAM_DSN set (PostgreSQL 18 or newer), only the worker is started, on that server. What is given for
    connections, addresses and TLS is remembered in settings.json of the home.

    \b
    Example:
      millstream up
      millstream up --port 5433 --clock event
      millstream up --readers 300 --listen 0.0.0.0 --tls self-signed
    """
    before = home.options()
    options = choose(home, before, Wishes(port, readers, writers, listen, tls, key))
    if options.tls:  # the port that users know is where TLS is spoken; PostgreSQL has one of its own
        port = None
    elif before.tls:
        port = port or before.port
    if is_held(home):
        if options != before:
            raise MillstreamError(
                "already up with other settings. To change them: millstream down, then up again."
            )
        _already_up(home, port, clock)
        return
    home.prepare()
    if options.tls:
        from millstream.server.certificate import find_certificate  # slow to import

        find_certificate(home.path, options)  # before the choice is kept
    write_options(home.path, options)
    if foreground:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        stop = stop_on_signals()
        Supervisor(home, port, clock).run(stop, lambda started: _announce(started, "Ctrl-C"))
    else:
        _detached(home, port, clock)


def _detached(home: Home, port: int | None, clock: str | None) -> None:
    home.prepare()
    log_path = home.logs / "supervisor.log"
    rotate(log_path)

    def start(writing: int) -> None:
        argv = [sys.executable, "-m", "millstream.supervisor.supervisor_process", "--home", str(home.path)]
        for option, value in (("--port", port), ("--clock", clock), ("--tell", writing)):
            if value is not None:
                argv += [option, str(value)]
        with log_path.open("ab") as log:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writing],
                start_new_session=True,
            )

    if "already" in start_telling(start, log_path, START_SECONDS, "the supervisor"):
        _already_up(home, port, clock)  # another `up` was faster
        return
    _announce(server.connect(home.path), "millstream down")


def _already_up(home: Home, port: int | None, clock: str | None) -> None:
    def is_ready() -> bool:
        state = read_state(home)
        return state is not None and state.ready

    if not wait_until(is_ready, START_SECONDS):
        raise AlreadyUp(f"another `millstream up` of {home.path} does not come to its end; see {home.logs}")
    running = server.find(home.path)
    if running is None:
        raise MillstreamError(
            f"PostgreSQL is being started again after it died; see {home.log_path}. Try again."
        )
    if port not in (None, running.port):
        raise MillstreamError(
            f"already up on port {running.port}. To change it: millstream down, then up again."
        )
    found = read_engine(running.dsn("owner"))
    runs_on = found["clock"] if found else None
    if clock not in (None, runs_on):
        raise MillstreamError(
            f"already up with clock {runs_on}. To change it: millstream down, then up again."
        )
    click.echo(f"already up: {_where(running)}, clock {runs_on}")


def _announce(started: Server, stop: str) -> None:
    console = Console(highlight=False)
    console.print(
        f"[bold green]up[/]: {_where(started)}, home {escape(str(started.home.path))}",
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
    if started.external:
        _warn(started, console)


def _where(running: Server) -> str:
    """Where applications find it."""
    if not running.options.tls:
        return f"PostgreSQL on {running.host}:{running.port}"
    places = ", ".join(f"{address}:{running.options.port}" for address in addresses(running.options))
    return f"PostgreSQL with TLS on {places}"


def _warn(started: Server, console: Console) -> None:
    """Say what the reader may still do on a server of one's own, whose superuser we are not."""
    with psycopg.connect(started.dsn("owner"), connect_timeout=10) as connection:
        doors = open_doors(connection)
    if doors:
        console.print(
            f"[yellow]the reader can still[/] {'; '.join(doors)}. A superuser closes that: {GUIDE}",
            soft_wrap=True,
        )
