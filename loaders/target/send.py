"""Send events so that a row which the server refuses is rejected alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from loaders.reading.event_log import EventLog
from loaders.schema.relations import EVENTS, SourceRelation
from loaders.schema.rows import Event, Rejected
from loaders.target.connection import refuses_row
from loaders.target.rejects import Rejects

Write = Callable[[SourceRelation, Sequence[Event]], None]


def send_events(write: Write, events: Sequence[Event], source: EventLog, rejects: Rejects) -> int:
    """Send events in one statement; where the server refuses a row, halve until that row is found, and reject it.

    Returns how many events were accepted. Errors of the connection or the statement itself are raised.
    """
    try:
        write(EVENTS, events)
    except psycopg.Error as error:
        if not refuses_row(error):
            raise
        if len(events) == 1:
            said = error.diag.message_primary or str(error).strip()
            rejects.add(refused(events[0], source, f"the server refused it: {said}"))
            return 0
        middle = len(events) // 2
        first, second = events[:middle], events[middle:]
        return send_events(write, first, source, rejects) + send_events(write, second, source, rejects)
    return len(events)


def refused(event: Event, source: EventLog, reason: str) -> Rejected:
    """Make a rejected row of an event that was read well; its line is not known any more."""
    place = str(source.path) if source.path else source.name
    payload = ", ".join(f"{name}={value}" for name, value in event._asdict().items() if value is not None)
    return Rejected(place, 0, reason, payload)
