"""Load an event log: the catalogue first, then the events in chunks, exactly once however often it is repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
from rich.progress import Progress

from loaders.loading.catalogue import load_identities, load_items, load_users, make_items, unlisted
from loaders.loading.shift import offset_in_database, offset_to, shifted
from loaders.reading.event_log import EventLog
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event, Rejected, chunks
from loaders.target.connection import WriterConnection, gone
from loaders.target.pace import Pace
from loaders.target.progress import progress_bars
from loaders.target.rejects import Rejects
from loaders.target.send import refused, send_events

CHUNK = 10_000
FLUSH_EVERY = 20_000
STOCK = 100


@dataclass
class Loaded:
    """What a load did. `read` counts rows of the source within the bounds: sent, already there and rejected ones.

    `made_items` are rows of `items` that were made of what events name; `unlisted_items` have events and no such row.
    """

    read: int = 0
    sent: int = 0
    already_there: int = 0
    rejected: int = 0
    items: int = 0
    made_items: int = 0
    users: int = 0
    identities: int = 0
    unlisted_items: int = 0
    offset: timedelta = timedelta(0)
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


def load(
    dsn: str,
    source: EventLog,
    *,
    rejects: Rejects | None = None,
    shift_to: datetime | None = None,
    catalogue: bool = True,
    items_from_events: bool | None = None,
    stock: int = STOCK,
    chunk: int = CHUNK,
    flush_every: int = FLUSH_EVERY,
    show_progress: bool = True,
) -> Loaded:
    """Load a source and return when every view shows it.

    A chunk of events is one COPY. Before it is sent, the database is asked which of its events are there, so a load
    that was killed goes on where it stopped, and `event_id` makes a row that was in flight count once. While the views
    take in `flush_every` rows the next ones are sent: so the loader is never ahead of the views by more than twice that.
    `items_from_events` says whether items that only events name get a row, None that `make_items` decides.
    `shift_to` moves the log so that its last event happens then; a log that is partly there keeps its offset.

    Raises LoaderError when the source cannot be read or the server goes away; the same call continues.
    """
    began = time.monotonic()
    loaded = Loaded()
    rejects = rejects if rejects is not None else Rejects()
    try:
        with (
            WriterConnection(dsn) as target,
            Pace(dsn, flush_every) as pace,
            progress_bars(show=show_progress) as bars,
        ):
            target.flush(tries=1)  # what an interrupted load has sent becomes visible
            resumes = not target.is_empty(EVENTS)
            loaded.offset = _offset(target, source, shift_to, resumes=resumes)
            if catalogue:
                _load_catalogue(target, source, loaded, stock, bars, pace, items_from_events)
            named = _load_events(target, source, loaded, rejects, bars, pace, resumes=resumes, chunk=chunk)
            loaded.unlisted_items = unlisted(target, named)
    except psycopg.OperationalError as error:
        raise gone(loaded.sent, "events", error) from error
    loaded.rejected = rejects.count
    loaded.reasons = rejects.report()
    loaded.seconds = time.monotonic() - began
    return loaded


def load_catalogue(
    dsn: str, source: EventLog, offset: timedelta, stock: int, *, flush_every: int, show_progress: bool
) -> Loaded:
    """Load the items, stock and users of a source whose events go elsewhere. Raises LoaderError like `load`."""
    loaded = Loaded(offset=offset)
    try:
        with (
            WriterConnection(dsn) as target,
            Pace(dsn, flush_every) as pace,
            progress_bars(show=show_progress) as bars,
        ):
            _load_catalogue(target, source, loaded, stock, bars, pace)
            pace.catch_up()
    except psycopg.OperationalError as error:
        raise gone(loaded.items + loaded.users, "items and users", error) from error
    return loaded


def _offset(
    target: WriterConnection, source: EventLog, shift_to: datetime | None, *, resumes: bool
) -> timedelta:
    there = offset_in_database(target, source) if resumes else None
    if there is not None:
        return there
    return timedelta(0) if shift_to is None else offset_to(source, shift_to)


def _load_catalogue(
    target: WriterConnection,
    source: EventLog,
    loaded: Loaded,
    stock: int,
    bars: Progress,
    pace: Pace,
    items_from_events: bool | None = None,
) -> None:
    task = bars.add_task("catalogue", total=None, rows=0, note="")
    rows = 0

    def sent(count: int) -> None:
        nonlocal rows
        rows += count
        bars.update(task, completed=rows, rows=rows)

    if source.items_from_events:
        loaded.made_items = items = make_items(
            target, source, loaded.offset, stock, pace, sent, wanted=items_from_events
        )
    else:
        loaded.items, items = load_items(target, source, loaded.offset, stock, pace, sent)
    loaded.users, users = load_users(target, source, loaded.offset, pace, sent)
    loaded.identities = load_identities(target, source, pace)
    changed = loaded.items + loaded.made_items + loaded.users
    note = f"{items:,} items, {users:,} users; {changed:,} new or changed"
    bars.update(task, total=max(rows, 1), completed=max(rows, 1), note=note)


def _load_events(
    target: WriterConnection,
    source: EventLog,
    loaded: Loaded,
    rejects: Rejects,
    bars: Progress,
    pace: Pace,
    *,
    resumes: bool,
    chunk: int,
) -> set[str]:
    """Send the events that are not there yet; give the items that the log's events name."""
    named: set[str] = set()
    task = bars.add_task("events", total=source.size, rows=0, note="")
    for batch in chunks(source.events(), chunk):
        loaded.read += len(batch)
        events = _without_rejected(batch, rejects)
        named.update(event.item_id for event in events if event.item_id is not None)
        there = target.event_times([event.event_id for event in events]) if resumes else {}
        events = [event for event in events if event.event_id not in there]
        loaded.already_there += len(there)
        if events:
            moved = list(
                shifted(events, loaded.offset, lambda event, why: rejects.add(refused(event, source, why)))
            )
            sent = send_events(target.copy, moved, source, rejects) if moved else 0
            loaded.sent += sent
            pace.sent(sent)
            if moved:
                loaded.first_event_at = loaded.first_event_at or moved[0].occurred_at
                loaded.last_event_at = moved[-1].occurred_at
        bars.update(task, completed=source.position, rows=loaded.read, note=_note(loaded, rejects))
    pace.catch_up()
    bars.update(task, total=source.size or loaded.read, completed=source.size or loaded.read)
    return named


def _without_rejected(batch: Iterable[Event | Rejected], rejects: Rejects) -> list[Event]:
    events = []
    for record in batch:
        if isinstance(record, Rejected):
            rejects.add(record)
        else:
            events.append(record)
    return events


def _note(loaded: Loaded, rejects: Rejects) -> str:
    there = f"{loaded.already_there:,} already there" if loaded.already_there else ""
    rejected = f"{rejects.count:,} rejected" if rejects.count else ""
    return ", ".join(part for part in (there, rejected) if part)
