"""The commands `load`, `replay` and `embed`. They take a DSN, so they need nothing of the engine but its address."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedColumn, UndefinedTable

from loaders.commands.mapping_options import (
    file_given,
    guess,
    items_from_events,
    mapped,
    misfit,
    open_mapped,
    require_columns,
    show_guess,
    told,
    told_after,
)
from loaders.commands.options import (
    TO_EVENTS_RAW,
    Moment,
    Speed,
    kafka,
    log,
    output,
    rejected,
    server,
    with_formats,
)
from loaders.commands.reports import (
    ALL_REJECTED,
    echo,
    fail_without_rows,
    print_embedded,
    print_json,
    print_load,
    print_produced,
    print_raw,
    print_replay,
    print_table,
)
from loaders.embeddings.embed import EVENT_TYPES, NEIGHBOURS, RELATION
from loaders.embeddings.embed import embed as embed_events
from loaders.embeddings.item_vectors import Parameters
from loaders.formats.registry import open_source
from loaders.kafka.address import KafkaAddress
from loaders.kafka.send import send_to_kafka
from loaders.kafka.topic import KafkaTopic, read_properties
from loaders.loading import raw
from loaders.loading.load import CHUNK, FLUSH_EVERY, STOCK, load_catalogue
from loaders.loading.load import load as load_source
from loaders.loading.replay import BATCH, Schedule
from loaders.loading.replay import replay as replay_source
from loaders.loading.shift import offset_to
from loaders.loading.tables import SUMMARIES, TABLES, load_table
from loaders.mapping.arguments import MapOptions
from loaders.reading.source import Source
from loaders.schema.errors import LoaderError
from loaders.target.address import VARIABLE, find_home, judge_dsn, writer_dsn
from loaders.target.connection import Target
from loaders.target.rejects import Rejects, RejectsFile, RejectsRelation


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
def load(
    source_format: str,
    path: Path | None,
    columns: MapOptions,
    guess: bool,
    items_from_events: bool | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    shift_to: datetime | None,
    catalogue: bool,
    stock: int,
    chunk: int,
    flush_every: int,
    rate: float | None,
    to: KafkaAddress | None,
    partitions: int | None,
    properties: Path | None,
    rejects_to: str | None,
    dsn: str | None,
    home: Path | None,
    progress: bool,
    as_json: bool,
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
    with _errors():
        folder = find_home(home)
        source_format, path = file_given(source_format, path)
        if guess:
            show_guess(source_format, path, columns)
            return
        if to is not None:
            source = _open(source_format, path, columns, since=since, until=until, limit=limit)
            schedule = Schedule(None, rate) if rate else None
            offset = offset_to(source, shift_to) if shift_to else timedelta(0)
            rejects = _rejects_file(rejects_to, folder, source)
            with _topic(to, partitions, properties) as topic, rejects, _stop_on_interrupt() as stop:
                if catalogue and (known := dsn or os.environ.get(VARIABLE)):
                    load_catalogue(
                        known, source, offset, stock, flush_every=flush_every, show_progress=progress
                    )
                produced = send_to_kafka(
                    topic, source, schedule=schedule, offset=offset, rejects=rejects, stop=stop,
                    show_progress=progress,
                )  # fmt: skip
            print_produced(produced, to, rejects, as_json=as_json)
            _fail_without_events(source, source_format, produced.sent, produced.rejected)
            return
        if rate or partitions or properties:
            raise LoaderError("--rate, --partitions and --properties are for Kafka: give the topic with --to")
        address = writer_dsn(dsn, folder)
        if source_format == raw.NAME:
            if path is None:
                raise LoaderError("format raw reads a file and none was given: add its path after the format")
            became = raw.load_raw(
                address, path, judge=judge_dsn(dsn, folder), chunk=chunk, flush_every=flush_every,
                show_progress=progress,
            )  # fmt: skip
            print_raw(became, as_json=as_json)
            fail_without_rows(became.accepted or 0, became.rejected or 0)
            return
        if source_format in TABLES:
            table = open_mapped(source_format, path, columns)
            _check_mapped(table, source_format)
            with Target(address) as target, _rejects(rejects_to, folder, table, target) as rejects:
                rows = load_table(
                    address, table, TABLES[source_format], rejects=rejects, stock=stock, flush_every=flush_every,
                    show_progress=progress,
                )  # fmt: skip
            print_table(rows, rejects, as_json=as_json)
            fail_without_rows(rows.read - rows.rejected, rows.rejected)
            return
        source = _open(source_format, path, columns, since=since, until=until, limit=limit)
        with Target(address) as target, _rejects(rejects_to, folder, source, target) as rejects:
            loaded = load_source(
                address, source, rejects=rejects, shift_to=shift_to, catalogue=catalogue, stock=stock,
                items_from_events=items_from_events, chunk=chunk, flush_every=flush_every, show_progress=progress,
            )  # fmt: skip
        print_load(loaded, rejects, as_json=as_json)
        if not as_json:
            echo(told_after(source))
        _fail_without_events(source, source_format, loaded.sent + loaded.already_there, loaded.rejected)


load.help = with_formats(load.help, *SUMMARIES.items(), (raw.NAME, raw.SUMMARY))


@click.command(epilog="Example: millstream replay completejourney --since 2017-03-20 --speed 600x")
@log
@mapped
@click.option("--speed", type=Speed(), help="Multiple of the log's own pace.  [1x]")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second, instead of a speed."
)
@click.option(
    "--stamp-now", is_flag=True, help="Let every event happen when it is sent, not when the log says."
)
@click.option(
    "--shift-to",
    type=Moment(now=True),
    help="When the first event happens, if no part of this log is loaded ('now' or a date).",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000),
    default=BATCH,
    show_default=True,
    help="Most events in one INSERT.",
)
@kafka
@rejected
@server
@output
def replay(
    source_format: str,
    path: Path | None,
    columns: MapOptions,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    speed: float | None,
    rate: float | None,
    stamp_now: bool,
    shift_to: datetime | None,
    batch: int,
    to: KafkaAddress | None,
    partitions: int | None,
    properties: Path | None,
    rejects_to: str | None,
    dsn: str | None,
    home: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Replay the event log at PATH live: each event is sent when it is due, at a multiple of the log's own pace.

    Events that are there already are left out, so a replay goes on after the last one, and a replay after a load starts
    where the load ended, moved by the same offset. The schedule does not wait for the server: a lag is shown, not hidden.
    Ctrl-C stops after the events that are under way. With --to the events go to a Kafka topic, from --since on.
    The exit status is that of load: 2 when every row was rejected or left out.
    """
    with _errors(), _stop_on_interrupt() as stop:
        folder = find_home(home)
        source_format, path = file_given(source_format, path)
        if to is not None:
            source = _open(source_format, path, columns, since=since, until=until, limit=limit)
            schedule = Schedule(speed if speed or rate else 1.0, rate)
            rejects = _rejects_file(rejects_to, folder, source)
            with _topic(to, partitions, properties) as topic, rejects:
                produced = send_to_kafka(
                    topic, source, schedule=schedule, stamp_now=stamp_now, rejects=rejects, stop=stop,
                    begin_at=shift_to, show_progress=progress,
                )  # fmt: skip
            print_produced(produced, to, rejects, as_json=as_json)
            _fail_without_events(source, source_format, produced.sent, produced.rejected)
            return
        if partitions or properties:
            raise LoaderError("--partitions and --properties are for Kafka: give the topic with --to")
        address = writer_dsn(dsn, folder)
        source = _open(source_format, path, columns, since=since, until=until, limit=limit)
        with Target(address) as target, _rejects(rejects_to, folder, source, target) as rejects:
            replayed = replay_source(
                address, source, speed=speed if speed or rate else 1.0, rate=rate, stamp_now=stamp_now,
                shift_to=shift_to, rejects=rejects, stop=stop, batch=batch, show_progress=progress,
            )  # fmt: skip
        print_replay(replayed, rejects, as_json=as_json)
        _fail_without_events(source, source_format, replayed.sent + replayed.already_there, replayed.rejected)


replay.help = with_formats(replay.help)


@click.command(epilog="Example: millstream embed --min-baskets 5")
@click.option(
    "--relation", default=RELATION, show_default=True, help="Relation to read, with the columns of events."
)
@click.option(
    "--events",
    "event_types",
    multiple=True,
    default=EVENT_TYPES,
    show_default=True,
    help="Event that puts an item into a basket; may be given again.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=2),
    default=Parameters.dimensions,
    show_default=True,
    help="Length of a vector.",
)
@click.option(
    "--min-baskets",
    type=click.IntRange(min=1),
    default=Parameters.min_baskets,
    show_default=True,
    help="Baskets that an item needs to get a vector.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(min=1),
    default=NEIGHBOURS,
    show_default=True,
    help="Nearest items kept per item.",
)
@click.option(
    "--measure/--no-measure", default=True, help="Measure the hit rate on held-out last baskets.  [on]"
)
@server
@output
def embed(
    relation: str,
    event_types: tuple[str, ...],
    dimensions: int,
    min_baskets: int,
    neighbours: int,
    measure: bool,
    dsn: str | None,
    home: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Train item vectors from the purchases in the database and put them into service.

    Items that share baskets get vectors that are near. The new vectors, their neighbours and the version that the
    ranking uses change at one moment, while readers read. The same purchases give the same version and train nothing.
    """
    with _errors():
        folder = find_home(home)
        result = embed_events(
            writer_dsn(dsn, folder), folder, relation=relation, event_types=event_types,
            parameters=Parameters(dimensions=dimensions, min_baskets=min_baskets),
            neighbours=neighbours, measure_quality=measure, show_progress=progress,
        )  # fmt: skip
        if as_json:
            print_json(result)
        else:
            print_embedded(result)


def _open(source_format: str, path: Path | None, columns: MapOptions, **bounds: Any) -> Source:
    source = open_source(source_format, path, columns=columns, **bounds)
    _check_mapped(source, source_format)
    return source


def _check_mapped(source: Source, source_format: str) -> None:
    require_columns(source, source_format)
    echo(told(source), err=True)


def _fail_without_events(source: Source, source_format: str, good: int, rejected: int) -> None:
    fail_without_rows(good, rejected)
    if not good and (text := misfit(source, source_format)):
        click.echo(text, err=True)
        raise click.exceptions.Exit(ALL_REJECTED)


def _topic(to: KafkaAddress, partitions: int | None, properties: Path | None) -> KafkaTopic:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters is raised
    return KafkaTopic(
        to, partitions=partitions, properties=read_properties(properties) if properties else None
    )


def _rejects_file(place: str | None, home: Path, source: Source) -> RejectsFile:
    if place == TO_EVENTS_RAW:
        raise LoaderError(f"--rejects {TO_EVENTS_RAW} writes to the server and --to to Kafka: give a file")
    return RejectsFile(Path(place) if place else home / "rejects" / f"{source.name}.jsonl")


def _rejects(place: str | None, home: Path, source: Source, target: Target) -> Rejects:
    if place == TO_EVENTS_RAW:
        return RejectsRelation(target)
    return _rejects_file(place, home, source)


@contextmanager
def _errors() -> Iterator[None]:
    """Show what a loader says as a command's error: its text, exit status 1, no traceback."""
    try:
        yield
    except (UndefinedTable, UndefinedColumn, InvalidSchemaName, InsufficientPrivilege) as error:
        raise click.ClickException(
            f"the server has not all that a loader needs: {error.diag.message_primary}. Deploy the source relations with "
            "`dbt run`, and use the DSN of the writer role"
        ) from error
    except LoaderError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a request to stop; the second one interrupts."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
