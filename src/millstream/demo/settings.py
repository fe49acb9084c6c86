"""What a run of the demo is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LOG = "completejourney"
HISTORY_UNTIL = datetime(2017, 3, 20, tzinfo=UTC)  # 314,900 purchase lines lie before
SPEED = 600.0  # log seconds per second: a day of the log takes 2.4 minutes and brings 28 events/s on average
HOUSEHOLDS = 3
LIST_ROWS = 8


@dataclass(frozen=True)
class DemoSettings:
    """`history_until`: where loading ends and the live replay begins, in the log's time. `speed`: log seconds per second.

    With `once` the demo ends after it has shown everything, having replayed at least `once_events` events.
    """

    history_until: datetime = HISTORY_UNTIL
    speed: float = SPEED
    once: bool = False
    once_events: int = 200
