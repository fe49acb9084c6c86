"""What the commands say of what they did: sentences, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

from loaders.commands.mapping_told import items_told, misfit
from loaders.kafka.address import KafkaAddress
from loaders.kafka.send import Produced
from loaders.loading import raw
from loaders.loading.load import Loaded
from loaders.loading.replay import Replayed
from loaders.loading.tables import LoadedTable
from loaders.reading.event_log import EventLog
from loaders.schema.relations import EVENTS_RAW
from loaders.target.rejects import Rejects

ALL_REJECTED = 2  # exit status


def echo(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line, err=err)


def print_load(loaded: Loaded, rejects: Rejects | None, *, as_json: bool) -> None:
    """Print what a load did."""
    if as_json:
        print_json(loaded, rejects)
        return
    click.echo(
        f"{loaded.sent:,} events loaded, {loaded.already_there:,} were already there "
        + _pace(loaded.read, "rows", loaded.seconds)
    )
    if loaded.items or loaded.users:
        click.echo(f"{loaded.items:,} items and {loaded.users:,} users were new or changed")
    echo(items_told(loaded))
    _print_moved(loaded.offset)
    _print_rejected(loaded.rejected, loaded.reasons, rejects)


def print_raw(became: raw.LoadedRaw, *, as_json: bool) -> None:
    """Print what became of raw messages."""
    if as_json:
        print_json(became)
        return
    click.echo(
        f"{became.sent:,} messages sent to {EVENTS_RAW.name}, {became.already_there:,} were already there "
        + _pace(became.read, "messages", became.seconds)
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


def fail_without_rows(good: int, rejected: int) -> None:
    """End with status 2 where there were rows and none was an event."""
    if rejected and not good:
        raise click.exceptions.Exit(ALL_REJECTED)


def fail_without_events(source: EventLog, source_format: str, good: int, rejected: int) -> None:
    """End with status 2 where nothing was loaded: every row was rejected, or left out as nothing that the format reads."""
    fail_without_rows(good, rejected)
    if not good and (text := misfit(source, source_format)):
        click.echo(text, err=True)
        raise click.exceptions.Exit(ALL_REJECTED)


def print_table(loaded: LoadedTable, rejects: Rejects, *, as_json: bool) -> None:
    """Print what the load of a table did."""
    if as_json:
        print_json(loaded, rejects)
        return
    click.echo(
        f"{loaded.sent:,} rows of {loaded.relation} were new or changed, of {loaded.read:,} read "
        + _pace(loaded.read, "rows", loaded.seconds)
    )
    _print_rejected(loaded.rejected, loaded.reasons, rejects)


def print_replay(replayed: Replayed, rejects: Rejects | None, *, as_json: bool) -> None:
    """Print what a replay did."""
    if as_json:
        print_json(replayed, rejects)
        return
    click.echo(
        f"{replayed.sent:,} events replayed{' until stopped' if replayed.stopped else ''}, "
        f"{replayed.already_there:,} were already there {_pace(replayed.sent, 'events', replayed.seconds, digits=1)}"
    )
    if replayed.sent:
        click.echo(
            f"lag p50 {replayed.lag_p50 * 1000:,.0f} ms, p99 {replayed.lag_p99 * 1000:,.0f} ms, "
            f"max {replayed.lag_max * 1000:,.0f} ms; last event at {replayed.last_event_at:%Y-%m-%d %H:%M:%S %Z}"
        )
    _print_moved(replayed.offset)
    _print_rejected(replayed.rejected, replayed.reasons, rejects)


def print_produced(produced: Produced, to: KafkaAddress, rejects: Rejects, *, as_json: bool) -> None:
    """Print what was sent to Kafka."""
    if as_json:
        print_json(produced, rejects)
        return
    until = " until stopped" if produced.stopped else ""
    click.echo(
        f"{produced.sent:,} events sent to {to}{until} {_pace(produced.sent, 'events', produced.seconds)}"
    )
    _print_moved(produced.offset)
    _print_rejected(produced.rejected, produced.reasons, rejects)


def _pace(count: int, what: str, seconds: float, digits: int = 0) -> str:
    return f"({seconds:,.1f} s, {count / seconds if seconds else 0.0:,.{digits}f} {what}/s)"


def _print_moved(offset: timedelta) -> None:
    if offset:
        click.echo(f"the log is moved by {offset.total_seconds() / 86400:+,.3f} days")


def _print_rejected(count: int, reasons: list[str], rejects: Rejects | None) -> None:
    if count and rejects is not None:
        click.echo(f"{count:,} {'row' if count == 1 else 'rows'} rejected, kept in {rejects.place}:")
        for reason in reasons:
            click.echo(f"  {reason}")


def print_json(result: Any, rejects: Rejects | None = None) -> None:
    """Print a result as one JSON object, and where rejected rows are."""
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
