"""`millstream migrate`: from the embedded engine to RisingWave."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from millstream import server
from millstream.cli.words import counted
from millstream.server import Home

if TYPE_CHECKING:
    from millstream.migration.copy import Copied
    from millstream.migration.migrate import Compared, Migration, TablePlan
    from millstream.migration.source import Snapshot

COLOURS = {"equal": "green", "different": "red", "moved": "yellow", "not compared": "dim"}


@click.command(name="migrate")
@click.option(
    "--to", "target", type=click.Choice(["risingwave"]), required=True, help="A target of profiles.yml."
)
@click.option("--dry-run", is_flag=True, help="Count the rows here and there, and copy nothing.")
@click.option("--verify-only", is_flag=True, help="Compare what is there, and copy nothing.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="NAME",
    help="Copy this table only; again for another one. Views are not compared then.",
)
@click.option("--keep-extra", is_flag=True, help="Copy although a table there has rows that are not here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(
    home: Home,
    target: str,
    dry_run: bool,
    verify_only: bool,
    tables: tuple[str, ...],
    keep_extra: bool,
    as_json: bool,
) -> None:
    """Copy the sources to RisingWave and compare the views.

    Reads the embedded engine as of one tick, while it goes on working; stop the writers first, or run this again
    afterwards: it sends what is missing or changed. The project must be deployed there (millstream deploy --target risingwave). Exit status 1 if a table or a
    view that must be equal is not.

    \b
    Example:
      millstream migrate --to risingwave --dry-run
      millstream migrate --to risingwave
    """
    from millstream.migration import migrate, source  # dbt and the SQL parser are not needed for --help
    from millstream.migration import target as targets
    from millstream.project import find_project

    if dry_run and verify_only:
        raise click.UsageError("--dry-run counts and --verify-only compares: give one of them")
    console = Console(highlight=False, stderr=as_json, soft_wrap=True)
    with (
        targets.open_risingwave(find_project()) as opened,
        source.open_snapshot(server.connect(home.path).dsn("owner")) as snapshot,
    ):
        migration = migrate.Migration(snapshot, opened, tables, keep_extra)
        show_snapshot(snapshot, console)
        planned = migration.plan()
        show_plan(planned, console)
        parts: dict[str, Any] = {"tables": [asdict(each) for each in planned]}
        compared: list[Compared] = []
        if not dry_run:
            if not verify_only:
                copied = copy(migration, planned, console)
                parts["copied"] = {name: asdict(each) for name, each in copied.items()}
                show_copied(copied, console)
            compared = migration.verify()
            parts["compared"] = [asdict(each) for each in compared]
            show_compared(compared, console)
        if as_json:
            click.echo(json.dumps(migrate.as_json(snapshot, **parts), indent=2))
    if any(each.result == "different" for each in compared):
        sys.exit(1)


def show_snapshot(snapshot: Snapshot, console: Console) -> None:
    """As of when, what is not in it, and where Kafka stands."""
    console.print(f"the embedded engine as of tick {snapshot.tick:,}, {snapshot.now:%Y-%m-%d %H:%M:%S} UTC")
    if snapshot.waiting:
        console.print(
            f"[yellow]{snapshot.waiting:,} rows wait for the worker[/] and are not in it: run this again after they went in"
        )
    for each in snapshot.partitions:
        console.print(f"  {escape(each.topic)}/{each.number} is read up to offset {each.next_offset:,}")
    if snapshot.partitions:
        console.print(
            "  RisingWave starts at a topic's earliest message or at a time, not at an offset: it reads these messages again, "
            "and events takes each event_id once"
        )


def show_plan(planned: list[TablePlan], console: Console) -> None:
    """Rows here and there."""
    for each in planned:
        note = f", [dim]left out: {escape(each.skipped)}[/]" if each.skipped else ""
        console.print(f"  {escape(each.name)}: {counted(each.here, 'row')} here, {each.there:,} there{note}")


def copy(migration: Migration, planned: list[TablePlan], console: Console) -> dict[str, Copied]:
    """Copy with a bar a table, on a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bars:
        tasks = {each.name: bars.add_task(each.name, total=each.here) for each in planned if not each.skipped}
        return migration.copy(lambda name, rows: bars.advance(tasks[name], rows))


def show_copied(copied: dict[str, Copied], console: Console) -> None:
    """What was sent."""
    sent = sum(each.sent for each in copied.values())
    there = sum(each.there for each in copied.values())
    console.print(f"copied: {counted(sent, 'row')} sent, {there:,} were there already")


def show_compared(compared: list[Compared], console: Console) -> None:
    """Equal or different, with rows that show it."""
    for each in compared:
        reason = f": {escape(each.reason)}" if each.reason else ""
        console.print(f"  [{COLOURS[each.result]}]{each.result:<12}[/] {escape(each.name)}{reason}")
        if each.only_here or each.only_there:
            console.print(f"    {counted(each.only_here, 'row')} only here, {each.only_there:,} only there")
        for side, rows in (("here", each.sample_here), ("there", each.sample_there)):
            for row in rows:
                console.print(f"    only {side}: {escape(row)}")
    wrong = [each.name for each in compared if each.result == "different"]
    if wrong:
        console.print(f"[red]different:[/] {escape(', '.join(wrong))}")
    else:
        console.print("[green]everything that must be equal is equal[/]")
