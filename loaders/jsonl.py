"""Canonical JSON lines: one JSON object per line whose names are the columns of `events`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from loaders.parse import event_from
from loaders.rows import Event, Rejected
from loaders.source import TextSource, damage, printable


class JsonLines(TextSource):
    """Events as JSON objects, in any order of time; sessions are made where `session_id` is null."""

    name = "jsonl"
    summary = "JSON lines whose names are the columns of events"
    time_ordered = False
    has_sessions = False

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per line that is not blank."""
        for number, line in enumerate(self.lines(), start=1):
            text = line.strip()
            if not text:
                continue
            try:
                yield _event(text)
            except ValueError as error:
                yield Rejected(str(self.file), number, str(error), printable(text))


def _event(text: str) -> Event:
    if reason := damage(text):
        raise ValueError(reason)
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a bad row, not a programming error)
    for value in fields.values():
        if isinstance(value, str) and (reason := damage(value)):
            raise ValueError(reason)
    return event_from(fields)
