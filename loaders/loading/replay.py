"""Replay an event log live: in time order, at a chosen speed, on a schedule that does not wait for the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg

from loaders.loading.schedule import Lags, Schedule
from loaders.loading.shift import offset_in_database, shifted
from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, chunks
from loaders.target.connection import WriterConnection, gone
from loaders.target.progress import progress_bars
from loaders.target.rejects import Rejects, accepted
from loaders.target.send import refused, send_events

BATCH = 500
PROBE = 1_000
RECONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.2
Answer = TypeVar("Answer")


@dataclass
class Replayed:
    """What a replay did. Lags are seconds from when an event was due to when the server had committed it."""

    sent: int = 0
    already_there: int = 0
    rejected: int = 0
    seconds: float = 0.0
    offset: timedelta = timedelta(0)
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    lag_p50: float = 0.0
    lag_p99: float = 0.0
    lag_max: float = 0.0
    stopped: bool = False
    reasons: list[str] = field(default_factory=list)


def replay(
    dsn: str,
    source: EventLog,
    *,
    speed: float | None = None,
    rate: float | None = None,
    stamp_now: bool = False,
    shift_to: datetime | None = None,
    rejects: Rejects | None = None,
    stop: threading.Event | None = None,
    batch: int = BATCH,
    reconnect_seconds: float = RECONNECT_SECONDS,
    show_progress: bool = True,
) -> Replayed:
    """Send the events of a source that are not in the database yet, each when it is due.

    Returns when the views show the last one, or on `stop` as soon as what was under way is committed. All events that
    are due go as one INSERT of at most `batch` rows, committed at once. Events keep the time of the log, moved by the
    offset of the load that went before; where none went before, `shift_to` is when the first one happens. With
    `stamp_now` an event happens when it is sent, whatever the log says. A replay that is started again goes on after
    the last event that arrived. A connection that breaks is made anew for up to `reconnect_seconds`.

    Raises LoaderError when the source cannot be read or the server stays away.
    """
    return _Replay(
        dsn,
        source,
        Schedule(speed, rate),
        rejects if rejects is not None else Rejects(),
        stop or threading.Event(),
        stamp_now=stamp_now,
        reconnect_seconds=reconnect_seconds,
    ).run(shift_to, batch, show_progress=show_progress)


class _Replay:
    def __init__(
        self,
        dsn: str,
        source: EventLog,
        schedule: Schedule,
        rejects: Rejects,
        stop: threading.Event,
        *,
        stamp_now: bool,
        reconnect_seconds: float,
    ) -> None:
        self.dsn = dsn
        self.source = source
        self.schedule = schedule
        self.rejects = rejects
        self.stop = stop
        self.stamp_now = stamp_now
        self.reconnect_seconds = reconnect_seconds
        self.result = Replayed()
        self.target = WriterConnection(dsn, application="millstream-replay")

    def run(self, shift_to: datetime | None, batch_size: int, *, show_progress: bool) -> Replayed:
        result, began = self.result, time.monotonic()
        lags = Lags()
        try:
            self.target.flush(tries=1)
            events = self._events(shift_to)
            with progress_bars(show=show_progress) as bars:
                task = bars.add_task("replay", total=self.source.size, rows=0, note="")
                event, number = next(events, None), 0
                while event is not None:
                    due = self.schedule.wait(event, number, self.stop)
                    if self.stop.is_set():
                        break
                    batch: list[Event] = []
                    now = time.monotonic()
                    while event and len(batch) < batch_size and self.schedule.due(event, number) <= now:
                        batch.append(event)
                        event, number = next(events, None), number + 1
                    self._send(batch)
                    lag = time.monotonic() - due
                    lags.add(lag)
                    note = f"lag {lag * 1000:,.0f} ms, log at {batch[-1].occurred_at:%Y-%m-%d %H:%M:%S}"
                    bars.update(task, completed=self.source.position, rows=result.sent, note=note)
            if not self.stop.is_set():
                self._retry(lambda: self.target.flush())
        finally:
            self.target.connection.close()
        result.stopped = self.stop.is_set()
        result.rejected, result.reasons = self.rejects.count, self.rejects.report()
        result.seconds = time.monotonic() - began
        result.lag_p50, result.lag_p99, result.lag_max = lags.p50_p99_max()
        return result

    def _events(self, shift_to: datetime | None) -> Iterator[Event]:
        """Give the events that the database does not have, moved in time."""
        there = offset_in_database(self.target, self.source)
        offset = there
        for chunk in chunks(accepted(self.source, self.rejects), PROBE):
            present = self._ask(chunk)
            self.result.already_there += len(present)
            new = [event for event in chunk if event.event_id not in present]
            if new and offset is None:
                offset = timedelta(0) if shift_to is None else shift_to - new[0].occurred_at
            self.result.offset = offset or timedelta(0)
            yield from shifted(new, self.result.offset, self._refuse)

    def _refuse(self, event: Event, reason: str) -> None:
        self.rejects.add(refused(event, self.source, reason))

    def _ask(self, chunk: list[Event]) -> set[str]:
        return set(self._retry(lambda: self.target.event_times([event.event_id for event in chunk])))

    def _send(self, batch: list[Event]) -> None:
        rows = [_stamped(event) for event in batch] if self.stamp_now else batch
        self.result.sent += self._retry(
            lambda: send_events(
                lambda relation, events: self.target.insert(relation, events), rows, self.source, self.rejects
            )
        )
        self.result.first_event_at = self.result.first_event_at or rows[0].occurred_at
        self.result.last_event_at = rows[-1].occurred_at

    def _retry(self, act: Callable[[], Answer]) -> Answer:
        deadline = None
        while True:
            try:
                return act()
            except psycopg.OperationalError as error:
                deadline = deadline or time.monotonic() + self.reconnect_seconds
                self._reconnect(deadline, error)

    def _reconnect(self, deadline: float, cause: psycopg.OperationalError) -> None:
        """Connect again before the deadline. A batch whose answer was lost is sent again: `event_id` makes it count once."""
        while not self.stop.wait(RETRY_SECONDS) and time.monotonic() < deadline:
            self.target.connection.close()
            try:
                self.target = WriterConnection(self.dsn, application="millstream-replay")
            except LoaderError:
                continue
            return
        raise gone(self.result.sent, "events", cause) from cause


def _stamped(event: Event) -> Event:
    now = datetime.now(UTC)
    return event._replace(occurred_at=now, received_at=now)
