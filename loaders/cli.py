"""The commands `load`, `replay` and `embed`. They take a DSN, so they need nothing of the engine but its address."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedColumn, UndefinedTable

from loaders import raw
from loaders.address import VARIABLE, find_home, judge_dsn, writer_dsn
from loaders.embeddings import EVENT_TYPES, NEIGHBOURS, RELATION, Embedded
from loaders.embeddings import embed as embed_events
from loaders.errors import LoaderError
from loaders.formats import open_source
from loaders.item_vectors import Parameters
from loaders.kafka_address import KafkaAddress
from loaders.kafka_send import Produced, send_to_kafka
from loaders.kafka_topic import KafkaTopic, read_properties
from loaders.load import CHUNK, FLUSH_EVERY, STOCK, Loaded, load_catalogue
from loaders.load import load as load_source
from loaders.options import TO_EVENTS_RAW, Moment, Speed, kafka, log, output, rejected, server, with_formats
from loaders.rejects import Rejects, RejectsFile, RejectsRelation
from loaders.relations import EVENTS_RAW
from loaders.replay import BATCH, Replayed, Schedule
from loaders.replay import replay as replay_source
from loaders.shift import offset_to
from loaders.source import Source
from loaders.target import Target

ALL_REJECTED = 2  # exit status


@click.command(epilog="Example: millstream load completejourney --until 2017-03-20 --shift-to now")
@log
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

    Loading is exactly once: repeat the command after an interruption and it goes on where it stopped. Rows that are
    no events are kept apart with their place and the reason. With --to the events go to a Kafka topic, keyed by person;
    the catalogue goes to the server then only if --dsn says where it is.

    Exit status: 0 when rows are there, or the log has none; 2 when every row was rejected; 1 when the load could not
    go on.
    """
    with _errors():
        folder = find_home(home)
        if to is not None:
            source = open_source(source_format, path, since=since, until=until, limit=limit)
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
            _print_produced(produced, to, rejects, as_json=as_json)
            _fail_without_rows(produced.sent, produced.rejected)
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
            _print_raw(became, as_json=as_json)
            _fail_without_rows(became.accepted or 0, became.rejected or 0)
            return
        source = open_source(source_format, path, since=since, until=until, limit=limit)
        with Target(address) as target, _rejects(rejects_to, folder, source, target) as rejects:
            loaded = load_source(
                address, source, rejects=rejects, shift_to=shift_to, catalogue=catalogue, stock=stock,
                chunk=chunk, flush_every=flush_every, show_progress=progress,
            )  # fmt: skip
        _print_load(loaded, rejects, as_json=as_json)
        _fail_without_rows(loaded.sent + loaded.already_there, loaded.rejected)


load.help = with_formats(load.help, (raw.NAME, raw.SUMMARY))


@click.command(epilog="Example: millstream replay completejourney --since 2017-03-20 --speed 600x")
@log
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
    The exit status is that of load: 2 when every row was rejected.
    """
    with _errors(), _stop_on_interrupt() as stop:
        folder = find_home(home)
        if to is not None:
            source = open_source(source_format, path, since=since, until=until, limit=limit)
            schedule = Schedule(speed if speed or rate else 1.0, rate)
            rejects = _rejects_file(rejects_to, folder, source)
            with _topic(to, partitions, properties) as topic, rejects:
                produced = send_to_kafka(
                    topic, source, schedule=schedule, stamp_now=stamp_now, rejects=rejects, stop=stop,
                    begin_at=shift_to, show_progress=progress,
                )  # fmt: skip
            _print_produced(produced, to, rejects, as_json=as_json)
            _fail_without_rows(produced.sent, produced.rejected)
            return
        if partitions or properties:
            raise LoaderError("--partitions and --properties are for Kafka: give the topic with --to")
        address = writer_dsn(dsn, folder)
        source = open_source(source_format, path, since=since, until=until, limit=limit)
        with Target(address) as target, _rejects(rejects_to, folder, source, target) as rejects:
            replayed = replay_source(
                address, source, speed=speed if speed or rate else 1.0, rate=rate, stamp_now=stamp_now,
                shift_to=shift_to, rejects=rejects, stop=stop, batch=batch, show_progress=progress,
            )  # fmt: skip
        _print_replay(replayed, rejects, as_json=as_json)
        _fail_without_rows(replayed.sent + replayed.already_there, replayed.rejected)


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
            _print_json(result)
        else:
            _print_embedded(result)


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


def _print_load(loaded: Loaded, rejects: Rejects | None, *, as_json: bool) -> None:
    if as_json:
        _print_json(loaded, rejects)
        return
    rate = loaded.read / loaded.seconds if loaded.seconds else 0.0
    click.echo(
        f"{loaded.sent:,} events loaded, {loaded.already_there:,} were already there "
        f"({loaded.seconds:,.1f} s, {rate:,.0f} rows/s)"
    )
    if loaded.items or loaded.users:
        click.echo(f"{loaded.items:,} items and {loaded.users:,} users were new or changed")
    _print_moved(loaded.offset)
    _print_rejected(loaded.rejected, loaded.reasons, rejects)


def _print_raw(became: raw.LoadedRaw, *, as_json: bool) -> None:
    if as_json:
        _print_json(became)
        return
    rate = became.read / became.seconds if became.seconds else 0.0
    click.echo(
        f"{became.sent:,} messages sent to {EVENTS_RAW.name}, {became.already_there:,} were already there "
        f"({became.seconds:,.1f} s, {rate:,.0f} messages/s)"
    )
    if became.broken:
        click.echo(became.broken)
    if became.rejected is None:
        click.echo(
            "what is no event is in stg_events_rejected, which is not deployed or may not be seen with this DSN"
        )
        return
    click.echo(f"{became.accepted:,} of the file's messages are events, {became.rejected:,} were rejected")
    for reason in became.reasons:
        click.echo(f"  {reason}")
    if became.rejected:
        click.echo("the rejected ones are in stg_events_rejected, with their content")


def _fail_without_rows(good: int, rejected: int) -> None:
    """End with status 2 where there were rows and none was an event."""
    if rejected and not good:
        raise click.exceptions.Exit(ALL_REJECTED)


def _print_replay(replayed: Replayed, rejects: Rejects | None, *, as_json: bool) -> None:
    if as_json:
        _print_json(replayed, rejects)
        return
    rate = replayed.sent / replayed.seconds if replayed.seconds else 0.0
    click.echo(
        f"{replayed.sent:,} events replayed{' until stopped' if replayed.stopped else ''}, "
        f"{replayed.already_there:,} were already there ({replayed.seconds:,.1f} s, {rate:,.1f} events/s)"
    )
    if replayed.sent:
        click.echo(
            f"lag p50 {replayed.lag_p50 * 1000:,.0f} ms, p99 {replayed.lag_p99 * 1000:,.0f} ms, "
            f"max {replayed.lag_max * 1000:,.0f} ms; last event at {replayed.last_event_at:%Y-%m-%d %H:%M:%S %Z}"
        )
    _print_moved(replayed.offset)
    _print_rejected(replayed.rejected, replayed.reasons, rejects)


def _print_produced(produced: Produced, to: KafkaAddress, rejects: Rejects, *, as_json: bool) -> None:
    if as_json:
        _print_json(produced, rejects)
        return
    rate = produced.sent / produced.seconds if produced.seconds else 0.0
    until = " until stopped" if produced.stopped else ""
    click.echo(
        f"{produced.sent:,} events sent to {to}{until} ({produced.seconds:,.1f} s, {rate:,.0f} events/s)"
    )
    _print_moved(produced.offset)
    _print_rejected(produced.rejected, produced.reasons, rejects)


def _print_moved(offset: timedelta) -> None:
    if offset:
        click.echo(f"the log is moved by {offset.total_seconds() / 86400:+,.3f} days")


def _print_rejected(count: int, reasons: list[str], rejects: Rejects | None) -> None:
    if count and rejects is not None:
        click.echo(f"{count:,} {'row' if count == 1 else 'rows'} rejected, kept in {rejects.place}:")
        for reason in reasons:
            click.echo(f"  {reason}")


def _print_json(result: Any, rejects: Rejects | None = None) -> None:
    fields = asdict(result)
    if rejects is not None:
        fields["rejects"] = rejects.place if rejects.count else None
    click.echo(json.dumps(fields, default=_plain))


def _plain(value: object) -> object:
    """Give times as ISO 8601 text and durations in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{value!r} has no JSON form")


def _print_embedded(result: Embedded) -> None:
    if not result.is_new:
        click.echo(f"{result.version} is in service already: the same purchases and parameters")
        return
    click.echo(
        f"{result.version}: vectors of {result.items:,} items from {result.lines:,} lines in {result.baskets:,} baskets "
        f"({result.seconds:,.1f} s), in {result.path}"
    )
    if result.quality:
        quality = result.quality
        click.echo(
            f"hit rate@20 over {quality.queries:,} hidden items of last baskets: cosine {quality.cosine:.3f}, "
            f"cosine with popularity {quality.blended:.3f}, popularity alone {quality.popularity:.3f}"
        )
    if not result.variants:
        click.echo(
            "ranking_weights has no row, so no ranking uses the version yet: insert one with this model_version"
        )
