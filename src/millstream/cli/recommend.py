"""`millstream recommend`: what a person is recommended now, and why."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click
import psycopg
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millstream import server
from millstream.cli.words import counted
from millstream.recommend.lists import Recommendation, recommend
from millstream.recommend.statement import DRIVERS, statement
from millstream.server import Home

PIPED = 10_000  # characters of a line
WHOLE = ("rank", "item", "score")  # columns that are never cut or broken


@click.command(name="recommend")
@click.argument("user", metavar="USER", required=False)
@click.option(
    "-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rows to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
@click.option(
    "--statement",
    "driver",
    type=click.Choice(list(DRIVERS)),
    help="Print the SQL for an application's driver instead, with its parameters: user_id, k.",
)
@click.option(
    "--filters",
    is_flag=True,
    help="With --statement: also the parameters categories, brands, lowest_price, highest_price, excluded_item_ids."
    " NULL leaves one out.",
)
@click.pass_obj
def command(
    home: Home, user: str | None, count: int, as_json: bool, driver: str | None, filters: bool
) -> None:
    """Show what USER is recommended now, best first, and why.

    Runs the statement for applications (--statement prints it) as the reader role. A user id that nobody has seen gets rows too:
    "source" says whether they are personal, popular in the segment, trending or popular.

    \b
    Example:
      millstream recommend 1228
      millstream recommend 1228 -k 3 --json
      millstream recommend --statement jdbc --filters > recommend.sql
    """
    if driver is not None:
        if user is not None:
            raise click.UsageError("--statement prints the SQL for any user: leave USER out.")
        click.echo(statement(driver, filters=filters), nl=False)
        return
    if user is None or filters:
        raise click.UsageError("Missing argument 'USER', or option '--statement'.")
    with psycopg.connect(server.connect(home.path).dsn("reader"), autocommit=True) as connection:
        recommend(
            connection, user, count
        )  # plans the statement, so that the time below is that of a prepared read
        began = time.perf_counter()
        rows = recommend(connection, user, count)
        milliseconds = (time.perf_counter() - began) * 1000
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED  # one line a row, whatever reads it
    console.print(table_of(rows), crop=False)
    console.print(
        f"{counted(len(rows), 'row')} for user {escape(user)} in {milliseconds:.1f} ms", style="dim"
    )


def table_of(rows: list[Recommendation]) -> Table:
    """A list for people. Where it is wider than the terminal, names and reasons go on in the next line."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    texts = {
        "rank": [str(row.rank) for row in rows],
        "item": [row.item_id for row in rows],
        "name": [row.name for row in rows],
        "score": ["" if row.score is None else f"{row.score:.3f}" for row in rows],
        "strategy": [row.strategy for row in rows],
        "reason": [row.reason_text or "" for row in rows],
        "source": [row.source for row in rows],
    }
    for column, cells in texts.items():
        table.add_column(
            column,
            justify="right" if column in ("rank", "score") else "left",
            no_wrap=column in WHOLE,
            min_width=max(map(cell_len, [column, *cells])) if column in WHOLE else None,
            overflow="fold",
        )
    for row_cells in zip(*texts.values(), strict=True):
        table.add_row(*map(escape, row_cells))
    return table
