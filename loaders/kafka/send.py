"""Send an event log to a Kafka topic, as fast as it takes it, at a rate, or at a multiple of the log's own pace."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from loaders.kafka.topic import KafkaTopic
from loaders.loading.schedule import Lags, Schedule
from loaders.reading.event_log import EventLog
from loaders.schema.rows import Event, Rejected
from loaders.target.progress import progress_bars
from loaders.target.rejects import Rejects, accepted

SHOW_EVERY = 500


@dataclass
class Produced:
    """What was sent. Lags are seconds from when an event was due to when it was handed over; 0 without a schedule."""

    sent: int = 0
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


def send_to_kafka(
    topic: KafkaTopic,
    source: EventLog,
    *,
    schedule: Schedule | None = None,
    offset: timedelta = timedelta(0),
    begin_at: datetime | None = None,
    stamp_now: bool = False,
    rejects: Rejects | None = None,
    stop: threading.Event | None = None,
    show_progress: bool = True,
) -> Produced:
    """Send the events of a source and return when the brokers have them all, or what they have on `stop`.

    `offset` moves the log in time; `begin_at` moves it so that its first event happens then; with `stamp_now` an event
    happens when it is sent. What is in the topic already is not asked: an event that is sent again has its event_id
    again, and counts once.

    Raises LoaderError when the source cannot be read or the brokers go away.
    """
    produced, began = Produced(offset=offset), time.monotonic()
    rejects = rejects if rejects is not None else Rejects()
    stop = stop or threading.Event()
    lags = Lags()
    with progress_bars(show=show_progress) as bars:
        task = bars.add_task(f"to {topic.address.topic}", total=source.size, rows=0, note="")
        for number, event in enumerate(accepted(source, rejects)):
            if number == 0 and begin_at is not None:
                produced.offset = begin_at - event.occurred_at
            due = None if schedule is None else schedule.wait(event, number, stop)
            if stop.is_set():
                break
            try:
                moved = _moved(event, produced.offset, stamp_now=stamp_now)
                topic.send(moved)
            except (OverflowError, ValueError) as error:
                rejects.add(
                    Rejected(str(source.path or source.name), 0, str(error), f"event_id={event.event_id}")
                )
                continue
            if due is not None:
                lags.add(time.monotonic() - due)
            produced.first_event_at = produced.first_event_at or moved.occurred_at
            produced.last_event_at = moved.occurred_at
            if number % SHOW_EVERY == 0 or due is not None:
                bars.update(task, completed=source.position, rows=topic.acknowledged)
        topic.flush()
        bars.update(task, completed=source.position, rows=topic.acknowledged)
    produced.sent = topic.acknowledged
    produced.stopped = stop.is_set()
    produced.rejected, produced.reasons = rejects.count, rejects.report()
    produced.seconds = time.monotonic() - began
    produced.lag_p50, produced.lag_p99, produced.lag_max = lags.p50_p99_max()
    return produced


def _moved(event: Event, offset: timedelta, *, stamp_now: bool) -> Event:
    return event._replace(occurred_at=datetime.now(UTC) if stamp_now else event.occurred_at + offset)
