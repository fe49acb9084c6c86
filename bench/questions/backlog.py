"""So many purchases at once: how long until every view shows them, and how long does a read take meanwhile?

The lines that follow in the log are copied in one go, while a reader reads known persons' lists at a constant rate.
"""

from __future__ import annotations

from typing import Any

from bench import endless
from bench.bursts import rush
from bench.figures import table
from bench.stage import Stage

TITLE = "Backlog"
ASKS = "seconds until 50,000 purchases at once are caught up, and reads meanwhile"


def measure(stage: Stage) -> dict[str, Any]:
    """Send the burst and wait."""
    with stage.working() as (shop, _):
        moment = endless.present()
        return rush(shop, [endless.now(event, moment) for event in stage.events(stage.scale.burst)])


def section(found: dict[str, Any]) -> str:
    """The one line."""
    read = found["read_ms"]
    line = (found["events"], found["caught_up_seconds"], found["events_per_second"], read["p50"], read["p99"])
    return table(["purchases", "caught up, s", "purchases a second", "read p50, ms", "read p99, ms"], [line])
