"""`millstream rerank`: let changed weights and embeddings take effect before anybody acts."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from millstream import server
from millstream.cli.words import counted
from millstream.server import Home

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(value: str) -> timedelta:
    """Read a length of time: 90s, 30m, 24h or 7d."""
    read = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
    if read is None:
        raise click.BadParameter(f"{value!r} is not a length of time such as 30m, 24h or 7d")
    return timedelta(**{UNITS[read[2]]: float(read[1])})


@click.command(name="rerank")
@click.option(
    "--active",
    type=span,
    metavar="SPAN",
    help="Only people whose last act is at most that much older than the newest one (24h).",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of sentences.")
@click.pass_obj
def command(home: Home, active: timedelta | None, as_json: bool) -> None:
    """Compute the lists again, with the weights of now.

    A list is computed when its person acts. After UPDATE ranking_weights or `millstream embed` this does it for
    everybody, or for those who were active lately. Readers see the old list or the new one and never none; events go
    on in between.

    \b
    Example:
      millstream rerank --active 24h
    """
    from millstream.engine import deploy  # the engine is slow to import, and --help needs none of it
    from millstream.engine.rerank import rerank

    os.environ["MILLSTREAM_HOME"] = str(home.path)  # where Python functions find the embedding files
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        deploy.connect(server.connect(home.path).dsn("owner")) as connection,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done, total=total)

        results = rerank(connection, active=active, progress=show)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    if not results:
        click.echo("no deployed view calls Python: there is nothing to compute again")
    for result in results:
        failed = f", {counted(result.failed, 'call')} failed (see the log)" if result.failed else ""
        rebuilt = f", rebuilt with {', '.join(result.rebuilt)}" if result.rebuilt else ""
        click.echo(
            f"{result.name}: {counted(result.keys, 'list')} computed in {result.milliseconds / 1000:,.1f} s, "
            f"{result.changed:,} changed{rebuilt}{failed}"
        )
