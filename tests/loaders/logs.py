"""Small logs for tests, and the real ones where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "data"


def fields(number: int, **changed: object) -> dict[str, object]:
    """The fields of event `number`: a view every second after noon, 5 users and 7 items in turn."""
    return {
        "event_id": f"e{number:06}",
        "event_type": "view_item",
        "user_id": f"u{number % 5}",
        "item_id": f"i{number % 7}",
        "occurred_at": (NOON + timedelta(seconds=number)).isoformat(),
        **changed,
    }


def write_jsonl(path: Path, events: Iterable[dict[str, object] | str]) -> Path:
    """Write events as JSON lines; a text stands for a line as it is."""
    with path.open("w", encoding="utf-8") as file:
        for event in events:
            file.write((event if isinstance(event, str) else json.dumps(event)) + "\n")
    return path


def shared(name: str) -> Path:
    """A real log that the project may test with and not ship; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not there: the project may read this log and may not ship it")
    return path
