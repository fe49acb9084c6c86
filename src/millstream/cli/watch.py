"""`millstream watch`: what a model gains and loses, as it happens."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from millstream import server
from millstream.cli.rerank import span
from millstream.server import Home
from millstream.supervisor.signals import stop_on_signals

if TYPE_CHECKING:
    from millstream.feeds.change import Batch, Say

ANEW = {"tick": None, "time": None, "op": "anew", "row": None}


@click.command(name="watch")
@click.argument("model", metavar="MODEL")
@click.option(
    "--target",
    type=click.Choice(["embedded", "risingwave"]),
    default="embedded",
    show_default=True,
    help="Where MODEL runs: a target of profiles.yml. On risingwave it needs change_feed in its config.",
)
@click.option("--snapshot", is_flag=True, help="Print the rows of now first, as additions.")
@click.option(
    "--from",
    "after",
    type=click.IntRange(0),
    metavar="TICK",
    help="Go on after that tick (the last one that was printed), with what is still kept. On risingwave a tick is an rw_timestamp.",
)
@click.option(
    "--keep",
    type=span,
    default="1h",
    show_default=True,
    metavar="SPAN",
    help="How long changes are kept, and the feed after its last watcher. On risingwave change_feed says it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: tick, time, op, row.")
@click.pass_context
def command(
    context: click.Context,
    model: str,
    target: str,
    snapshot: bool,
    after: int | None,
    keep: timedelta,
    as_json: bool,
) -> None:
    """Print the rows that come to MODEL and go, as it happens.

    A row that appears is printed with +, one that goes away with -; an update is a - and then a +. MODEL is a
    materialized view. Ends with Ctrl-C; when the server goes away this waits for it and goes on where it was. What
    concerns the feed itself is said on standard error.

    On RisingWave this reads the subscription that `millstream deploy` makes of a model with change_feed='1D' in its
    config. A deployment that changes the model begins anew with the rows of its new version; with --json a line whose
    op is anew comes before them.

    \b
    Example:
      millstream watch feat_user_recent --snapshot
      millstream watch feat_user_recent --json --from 4711 | python send_reminders.py
      millstream watch rank_user_list --target risingwave --snapshot --json | python fill_cache.py
    """
    from millstream.feeds.change import as_json as json_line
    from millstream.feeds.change import as_text

    if snapshot and after is not None:
        raise click.UsageError("--snapshot begins anew and --from goes on: give one of them")
    if target == "risingwave" and context.get_parameter_source("keep") is not ParameterSource.DEFAULT:
        raise click.UsageError(
            "--keep is for the embedded engine: RisingWave keeps changes for as long as change_feed in the model's "
            "config says. Change it there and deploy"
        )
    stop = stop_on_signals()
    line = json_line if as_json else as_text
    if target == "risingwave":
        found = on_risingwave(model, after, snapshot, stop, tell)
    else:
        found = on_embedded(context.obj, model, after, snapshot, keep, stop, tell)
    for batch in found:
        if batch.anew and as_json:
            sys.stdout.write(f"{json.dumps(ANEW)}\n")
        sys.stdout.write("".join(f"{line(change)}\n" for change in batch.changes))
        sys.stdout.flush()
        if stop.is_set():
            break


def on_embedded(
    home: Home,
    model: str,
    after: int | None,
    snapshot: bool,
    keep: timedelta,
    stop: threading.Event,
    say: Say,
) -> Iterator[Batch]:
    """The feed of the embedded engine."""
    from millstream.feeds import embedded

    return embedded.batches(
        lambda: server.connect(home.path).dsn("owner"),
        model,
        after=after,
        snapshot=snapshot,
        keep=keep,
        stop=stop,
        say=say,
    )


def on_risingwave(
    model: str, after: int | None, snapshot: bool, stop: threading.Event, say: Say
) -> Iterator[Batch]:
    """The subscription, at the place that profiles.yml says for target risingwave."""
    from millstream.feeds import subscription
    from millstream.project import find_project
    from millstream.rollout.risingwave.profile import conninfo, profile_alone

    given = profile_alone(find_project())
    return subscription.batches(
        conninfo(given), model, schema=given.schema, after=after, snapshot=snapshot, stop=stop, say=say
    )


def tell(text: str) -> None:
    """What concerns the feed itself."""
    click.echo(text, err=True)
