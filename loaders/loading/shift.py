"""Move a log in time by one constant offset, the same one in every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, chunks
from loaders.target.connection import WriterConnection

PROBE = 10_000


def offset_in_database(target: WriterConnection, source: EventLog) -> timedelta | None:
    """Find by how much this log was moved when it was loaded: by the first of its events that is there; None if none is.

    The database itself is what remembers the offset, so a load that was killed and a replay that follows a load move
    the log by the same amount.
    """
    events = (record for record in source.whole().events() if isinstance(record, Event))
    for chunk in chunks(events, PROBE):
        found = target.event_times([event.event_id for event in chunk])
        for event in chunk:
            if event.event_id in found:
                return found[event.event_id] - event.occurred_at
    return None


def offset_to(source: EventLog, moment: datetime) -> timedelta:
    """Give the offset that puts the source's last event at `moment`. Raises LoaderError for a source without events."""
    last = source.last_time()
    if last is None:
        raise LoaderError(
            f"{source.name}: no event lies within the bounds, so there is nothing to move; check --since and --until"
        )
    return moment - last


def shifted(
    events: Iterable[Event], offset: timedelta, refuse: Callable[[Event, str], None]
) -> Iterator[Event]:
    """Move events by the offset; a received_at that the log does not have becomes the time of the event itself.

    So every time of one log is on one clock, whichever clock the engine runs on. An event that would leave the
    calendar is given to `refuse` with the reason.
    """
    for event in events:
        try:
            occurred_at = event.occurred_at + offset
            received_at = occurred_at if event.received_at is None else event.received_at + offset
        except OverflowError:
            days = offset / timedelta(days=1)
            refuse(event, f"occurred_at {event.occurred_at} moved by {days:+,.0f} days is no date")
            continue
        yield event._replace(occurred_at=occurred_at, received_at=received_at)
