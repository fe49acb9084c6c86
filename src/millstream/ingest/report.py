"""What a consumer tells: each trouble once with its remedy, that it is over, and how far reading is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

PROGRESS_SECONDS = 1.0
Print = Callable[[str], None]


class Report:
    """Tells a person on standard error, or a program as one JSON object a line on standard output."""

    def __init__(self, *, as_json: bool = False, progress: bool = True) -> None:
        self.as_json = as_json
        self.progress_line = progress and not as_json and sys.stderr.isatty()
        self._troubles: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._shown = time.monotonic()
        self._shown_messages = 0
        self._width = 0

    def say(self, kind: str, text: str, **fields: Any) -> None:
        """Tell something that happens once."""
        if self.as_json:
            self._print_json({"kind": kind, "text": text, **fields})
            return
        self._clear()
        print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)  # noqa: T201

    @property
    def troubles(self) -> list[str]:
        """What does not work now, as it was told."""
        return list(self._told.values())

    def trouble(self, part: str, text: str, **fields: Any) -> None:
        """Tell that a part does not work, once until it works again."""
        if part not in self._troubles:
            self._troubles[part] = time.monotonic()
            self._told[part] = text
            self.say("trouble", text, part=part, **fields)

    def well(self, part: str, text: str) -> None:
        """Tell that a part works again, if trouble with it was told."""
        began = self._troubles.pop(part, None)
        if began is not None:
            del self._told[part]
            seconds = time.monotonic() - began
            self.say("recovered", f"{text} (after {seconds:,.0f} s)", part=part, seconds=round(seconds, 3))

    def is_due(self) -> bool:
        """Tell whether it is time to show progress."""
        return time.monotonic() - self._shown >= PROGRESS_SECONDS

    def progress(self, messages: int, lag: int | None, queued: int, partitions: int) -> None:
        """Show how far reading is: messages since the start, those behind the end of the log, rows before a tick."""
        now = time.monotonic()
        rate = (messages - self._shown_messages) / max(now - self._shown, 1e-9)
        self._shown, self._shown_messages = now, messages
        if self.as_json:
            self._print_json(
                {
                    "kind": "progress",
                    "messages": messages,
                    "rate": round(rate, 1),
                    "lag": lag,
                    "queued": queued,
                    "partitions": partitions,
                }
            )
        elif self.progress_line:
            behind = "?" if lag is None else f"{lag:,}"
            text = f"{messages:,} messages, {rate:,.0f}/s, {behind} behind, {queued:,} queued, {partitions} partitions"
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)  # noqa: T201
            self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr)  # noqa: T201
            self._width = 0

    def _print_json(self, fields: dict[str, Any]) -> None:
        print(json.dumps({"at": datetime.now(UTC).isoformat(), **fields}), flush=True)  # noqa: T201
