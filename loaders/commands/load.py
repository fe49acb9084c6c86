"""`load`: an event log at once, exactly once however often it is repeated; a table; raw messages; or a log to Kafka."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import click

from loaders.commands.given import Given, given_alike
from loaders.commands.mapping_options import guess, items_from_events, mapped, open_mapped
from loaders.commands.mapping_told import require_columns, show_guess, told, told_after
from loaders.commands.options import Moment, kafka, log, output, rejected, server, with_formats
from loaders.commands.reports import (
    echo,
    fail_without_events,
    fail_without_rows,
    print_load,
    print_produced,
    print_raw,
    print_table,
)
from loaders.commands.running import errors_told, stop_on_interrupt
from loaders.kafka.address import KafkaAddress
from loaders.kafka.send import send_to_kafka
from loaders.loading import raw
from loaders.loading.load import CHUNK, FLUSH_EVERY, STOCK, load_catalogue
from loaders.loading.load import load as load_log
from loaders.loading.schedule import Schedule
from loaders.loading.shift import offset_to
from loaders.loading.tables import SUMMARIES, TABLES, load_table
from loaders.schema.errors import LoaderError
from loaders.target.address import VARIABLE, judge_dsn
from loaders.target.connection import WriterConnection


@click.command(
    epilog="Example: millstream load clicks.csv --map user_id=customer --set event_type=view_item --guess"
)
@log
@mapped
@guess
@items_from_events
@click.option(
    "--shift-to",
    type=Moment(now=True),
    help="Move the whole log by one offset so that its last event taken happens then ('now' or a date).",
)
@click.option(
    "--catalogue/--no-catalogue", default=True, help="Load items, stock and users before the events.  [on]"
)
@click.option(
    "--stock",
    type=click.IntRange(min=0),
    default=STOCK,
    show_default=True,
    help="Units given to an active item without a stock row.",
)
@click.option(
    "--chunk", type=click.IntRange(min=1), default=CHUNK, show_default=True, help="Events sent at once."
)
@click.option(
    "--flush-every",
    type=click.IntRange(min=1),
    default=FLUSH_EVERY,
    show_default=True,
    help="Events after which to wait until the views show them.",
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="With --to: most events per second."
)
@kafka
@rejected
@server
@output
@given_alike
def load(
    given: Given,
    *,
    guess: bool,
    items_from_events: bool | None,
    shift_to: datetime | None,
    catalogue: bool,
    stock: int,
    chunk: int,
    flush_every: int,
    rate: float | None,
) -> None:
    """Load the event log at PATH, catalogue first, and wait until every view shows it.

    FORMAT is one of those below. For a file with columns of its own give just its path: columns with usual names are
    recognised, --map names the others, --guess shows what would be loaded. `load items FILE` and so on load the other
    relations in the same way.

    Loading is exactly once: repeat the command after an interruption and it goes on where it stopped. Rows that are
    no events are kept apart with their place and the reason. With --to the events go to a Kafka topic, keyed by person;
    the catalogue goes to the server then only if --dsn says where it is.

    Exit status: 0 when rows are there, or the log has none; 2 when every row was rejected, or left out as nothing that
    the format reads; 1 when the load could not
    go on.
    """
    with errors_told():
        given = given.with_file()
        if guess:
            show_guess(given.source_format, given.path, given.columns)
        elif given.to is not None:
            _to_kafka(
                given, given.to, rate=rate, shift_to=shift_to, catalogue=catalogue, stock=stock, flush_every=flush_every
            )  # fmt: skip
        elif rate or given.partitions or given.properties:
            raise LoaderError("--rate, --partitions and --properties are for Kafka: give the topic with --to")
        elif given.source_format == raw.NAME:
            _raw(given, chunk=chunk, flush_every=flush_every)
        elif given.source_format in TABLES:
            _table(given, stock=stock, flush_every=flush_every)
        else:
            _log(
                given, shift_to=shift_to, catalogue=catalogue, stock=stock, items_from_events=items_from_events,
                chunk=chunk, flush_every=flush_every,
            )  # fmt: skip


load.help = with_formats(load.help, *SUMMARIES.items(), (raw.NAME, raw.SUMMARY))


def _log(
    given: Given,
    *,
    shift_to: datetime | None,
    catalogue: bool,
    stock: int,
    items_from_events: bool | None,
    chunk: int,
    flush_every: int,
) -> None:
    """Load a log and its catalogue into the server."""
    address = given.address
    log = given.open_log()
    with WriterConnection(address) as target, given.rejects(log, target) as rejects:
        loaded = load_log(
            address, log, rejects=rejects, shift_to=shift_to, catalogue=catalogue, stock=stock,
            items_from_events=items_from_events, chunk=chunk, flush_every=flush_every, show_progress=given.progress,
        )  # fmt: skip
    print_load(loaded, rejects, as_json=given.as_json)
    if not given.as_json:
        echo(told_after(log))
    fail_without_events(log, given.source_format, loaded.sent + loaded.already_there, loaded.rejected)


def _table(given: Given, *, stock: int, flush_every: int) -> None:
    """Load a file into a relation that has one row a key."""
    address = given.address
    table = open_mapped(given.source_format, given.path, given.columns)
    require_columns(table, given.source_format)
    echo(told(table), err=True)
    with WriterConnection(address) as target, given.rejects(table, target) as rejects:
        rows = load_table(
            address, table, TABLES[given.source_format], rejects=rejects, stock=stock, flush_every=flush_every,
            show_progress=given.progress,
        )  # fmt: skip
    print_table(rows, rejects, as_json=given.as_json)
    fail_without_rows(rows.read - rows.rejected, rows.rejected)


def _raw(given: Given, *, chunk: int, flush_every: int) -> None:
    """Append a file's lines to `events_raw`, and tell what staging made of them."""
    address = given.address
    if given.path is None:
        raise LoaderError("format raw reads a file and none was given: add its path after the format")
    became = raw.load_raw(
        address, given.path, judge=judge_dsn(given.dsn, given.folder), chunk=chunk, flush_every=flush_every,
        show_progress=given.progress,
    )  # fmt: skip
    print_raw(became, as_json=given.as_json)
    fail_without_rows(became.accepted or 0, became.rejected or 0)


def _to_kafka(
    given: Given,
    to: KafkaAddress,
    *,
    rate: float | None,
    shift_to: datetime | None,
    catalogue: bool,
    stock: int,
    flush_every: int,
) -> None:
    """Send a log's events to a topic, and its catalogue to the server where that is said."""
    log = given.open_log()
    schedule = Schedule(None, rate) if rate else None
    offset = offset_to(log, shift_to) if shift_to else timedelta(0)
    rejects = given.rejects_file(log)
    with given.open_topic(to) as topic, rejects, stop_on_interrupt() as stop:
        if catalogue and (known := given.dsn or os.environ.get(VARIABLE)):
            load_catalogue(known, log, offset, stock, flush_every=flush_every, show_progress=given.progress)
        produced = send_to_kafka(
            topic, log, schedule=schedule, offset=offset, rejects=rejects, stop=stop, show_progress=given.progress
        )  # fmt: skip
    print_produced(produced, to, rejects, as_json=given.as_json)
    fail_without_events(log, given.source_format, produced.sent, produced.rejected)
