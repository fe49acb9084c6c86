"""How long to wait before something that died is started again."""

from __future__ import annotations

import time


class Backoff:
    """How long to wait before the next start of something that died: 0.2 s, doubled up to 15 s, 0.2 s again once it has
    lived for a minute. Times are seconds of the monotonic clock."""

    FIRST, LONGEST, STEADY = 0.2, 15.0, 60.0

    def __init__(self) -> None:
        self._delay = self.FIRST
        self._started = time.monotonic()
        self.due = self._started

    def started(self) -> None:
        self._started = time.monotonic()

    def died(self) -> float:
        """Note a death; return (and set in `due`) when to start again, as a delay in seconds."""
        now = time.monotonic()
        if now - self._started > self.STEADY:
            self._delay = self.FIRST
        delay, self._delay = self._delay, min(self._delay * 2, self.LONGEST)
        self.due = now + delay
        return delay
