"""When each event of a log is due, and how late it was."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime

from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event

KEPT_LAGS = 100_000
LONGEST_WAIT = 3_600.0
"""Seconds that are waited at once; a clock cannot be asked to wait for centuries."""


class Schedule:
    """Says when each event is due: at a multiple of the log's own pace, or at a constant rate.

    It is open-loop: a slow server makes events late and never makes the replay slower.
    """

    def __init__(self, speed: float | None, rate: float | None) -> None:
        """`speed` is log seconds per second, `rate` events per second; exactly one of them, greater than 0."""
        if (speed is None) == (rate is None):
            raise LoaderError("say either a speed (such as 60x) or a rate (events per second), not both")
        if (speed or rate or 0) <= 0:
            raise LoaderError("speed and rate must be greater than 0")
        self._speed = speed
        self._rate = rate
        self._began = 0.0
        self._first: datetime | None = None

    def due(self, event: Event, number: int) -> float:
        """Give the time on the monotonic clock at which event `number` (from 0) of the replay is due."""
        if self._first is None:
            self._first = event.occurred_at
            self._began = time.monotonic()
        if self._rate is not None:
            return self._began + number / self._rate
        return self._began + (event.occurred_at - self._first).total_seconds() / (self._speed or 1.0)

    def wait(self, event: Event, number: int, stop: threading.Event) -> float:
        """Return when event `number` is due, or on `stop`; give the time at which it is due."""
        due = self.due(event, number)
        while (wait := due - time.monotonic()) > 0 and not stop.is_set():
            stop.wait(min(wait, LONGEST_WAIT))
        return due


class Lags:
    """How late events were, in seconds; the last KEPT_LAGS of them are remembered."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=KEPT_LAGS)

    def add(self, seconds: float) -> None:
        """Remember one."""
        self._kept.append(seconds)

    def p50_p99_max(self) -> tuple[float, float, float]:
        """Give median, 99th percentile and maximum; zeros where none is remembered."""
        ordered = sorted(self._kept) or [0.0]
        return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
