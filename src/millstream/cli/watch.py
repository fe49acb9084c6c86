"""`millstream watch`: what a model gains and loses, as it happens."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from millstream import server
from millstream.cli.rerank import span
from millstream.cli.signals import stop_on_signals
from millstream.server import Home


@click.command(name="watch")
@click.argument("model", metavar="MODEL")
@click.option("--snapshot", is_flag=True, help="Print the rows of now first, as additions.")
@click.option(
    "--from",
    "after",
    type=click.IntRange(0),
    metavar="TICK",
    help="Go on after that tick (the last one that was printed), with what is still kept.",
)
@click.option(
    "--keep",
    type=span,
    default="1h",
    show_default=True,
    metavar="SPAN",
    help="How long changes are kept, and the feed after its last watcher.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: tick, time, op, row.")
@click.pass_obj
def command(
    home: Home,
    model: str,
    snapshot: bool,
    after: int | None,
    keep: timedelta,
    as_json: bool,
) -> None:
    """Print the rows that come to MODEL and go, as it happens.

    A row that appears is printed with +, one that goes away with -; an update is a - and then a +. MODEL is a
    materialized view. Ends with Ctrl-C; when the server goes away this waits for it and goes on where it was. What
    concerns the feed itself is said on standard error.

    \b
    Example:
      millstream watch feat_user_recent --snapshot
      millstream watch feat_user_recent --json --from 4711 | python send_reminders.py
    """
    from millstream.serve import watch

    if snapshot and after is not None:
        raise click.UsageError("--snapshot begins anew and --from goes on: give one of them")
    stop = stop_on_signals()
    line = watch.as_json if as_json else watch.as_text
    found = watch.batches(
        lambda: server.connect(home.path).dsn("owner"),
        model,
        after=after,
        snapshot=snapshot,
        keep=keep,
        stop=stop,
        say=lambda text: click.echo(text, err=True),
    )
    for batch in found:
        sys.stdout.write("".join(f"{line(change)}\n" for change in batch.changes))
        sys.stdout.flush()
        if stop.is_set():
            break
