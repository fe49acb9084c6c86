"""What every source format offers: its events in time order, and the catalogue and people that it knows of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from loaders.reading.order import in_time_order
from loaders.reading.sessions import with_sessions
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, IdentityLink, Item, Rejected, User


class EventLog(ABC):
    """An event log. `read` gives its rows as they stand; `events` orders them, gives them sessions and bounds them.

    `since` is inclusive and `until` exclusive, both in the log's own time; `limit` counts events. `size` and `position`
    measure progress in the same unit of the format's choice (rows or bytes); `size` is None when it is not known.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_path: ClassVar[bool] = True
    time_ordered: ClassVar[bool] = True
    has_sessions: ClassVar[bool] = True
    items_from_events = False
    """Whether `items` are made of what events name; then they are only for a catalogue that nobody keeps."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> None:
        if self.needs_path and path is None:
            raise LoaderError(
                f"format {self.name} reads a file and none was given: add its path after the format"
            )
        if path is not None and not path.is_file():
            raise LoaderError(f"{path}: no such file (format {self.name}); check the path")
        self.path = path
        self.since = since
        self.until = until
        self.limit = limit
        self.size: int | None = None

    @property
    def position(self) -> int:
        """How much of `size` has been read."""
        return 0

    @abstractmethod
    def read(self) -> Iterator[Event | Rejected]:
        """Give every row of the log from its start, as an event or as the reason why it is none."""

    def items(self) -> Iterator[Item]:
        """Give the catalogue. A format whose events alone name items gives those, called by their ids."""
        if not self.items_from_events:
            return
        seen: set[str] = set()
        for record in self.read():
            if isinstance(record, Event) and record.item_id is not None and record.item_id not in seen:
                seen.add(record.item_id)
                yield Item(
                    record.item_id, f"Item {record.item_id}", None, None, None, record.price, True, None
                )

    def users(self) -> Iterator[User]:
        """Give the people whose segment the log knows; formats without any give nothing."""
        return iter(())

    def identities(self) -> Iterator[IdentityLink]:
        """Give which person a visitor turned out to be; formats that do not know give nothing."""
        return iter(())

    def in_order(self, records: Iterable[Event | Rejected]) -> Iterable[Event | Rejected]:
        """Change what can only be told from records in time order; most formats change nothing."""
        return records

    def events(self) -> Iterator[Event | Rejected]:
        """Give the events in time order, each with a session where its person is known, within the bounds."""
        records: Iterable[Event | Rejected] = self.read()
        if not self.time_ordered:
            records = in_time_order(records)
        records = self.in_order(records)
        if not self.has_sessions:
            records = with_sessions(records)
        bounded = self._between(records)
        return bounded if self.limit is None else _first_events(bounded, self.limit)

    def whole(self) -> EventLog:
        """Give the same log without bounds."""
        return type(self)(self.path)

    def last_time(self) -> datetime | None:
        """Give the time of the last event within the bounds, or None when there is none."""
        return max(
            (record.occurred_at for record in self.events() if isinstance(record, Event)), default=None
        )

    def _between(self, records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
        for record in records:
            if isinstance(record, Event):
                if self.until is not None and record.occurred_at >= self.until:
                    return
                if self.since is not None and record.occurred_at < self.since:
                    continue
            yield record


def _first_events(records: Iterable[Event | Rejected], limit: int) -> Iterator[Event | Rejected]:
    seen = 0
    if limit <= 0:
        return
    for record in records:
        yield record
        if isinstance(record, Event):
            seen += 1
            if seen == limit:
                return
