"""The Complete Journey log without an end: after its last line it starts again with other persons, baskets and event ids.

Items and the order of lines stay, so a longer history has more people of the same habits over the same catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from loaders.formats.completejourney import CompleteJourney
from loaders.schema.rows import Event, Rejected

YEAR = timedelta(days=365)


class Endless(CompleteJourney):
    """`read` goes round after round, each a year later than the one before; `limit` ends it."""

    def read(self) -> Iterator[Event | Rejected]:
        """Give the lines of the log, renamed in every round but the first."""
        number = 0
        while True:
            for line in super().read():
                yield renamed(line, number) if number and isinstance(line, Event) else line
            number += 1


def renamed(event: Event, number: int) -> Event:
    """The same line by somebody else, `number` years later."""
    return event._replace(
        event_id=f"{event.event_id}-{number}",
        user_id=f"{event.user_id}-{number}",
        session_id=f"{event.session_id}-{number}",
        occurred_at=event.occurred_at + number * YEAR,
    )


def lines(first: int, count: int) -> Iterator[Event]:
    """The `count` lines that follow the first `first`, received when they happened."""
    made = (event for event in Endless(limit=first + count).events() if isinstance(event, Event))
    for number, event in enumerate(made):
        if number >= first:
            yield event._replace(received_at=event.occurred_at)


def now(event: Event, moment: datetime) -> Event:
    """The event as if it happened at a moment."""
    return event._replace(occurred_at=moment, received_at=moment)


def present() -> datetime:
    """This moment."""
    return datetime.now(UTC)
