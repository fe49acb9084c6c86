"""Canonical JSON: objects whose names are the columns of `events`, one a line or in one array."""

from __future__ import annotations

from collections.abc import Iterator

from loaders.reading.json_rows import object_of
from loaders.reading.parse import event_from
from loaders.reading.text_log import TextLog
from loaders.schema.rows import Event, Rejected


class JsonLines(TextLog):
    """Events as JSON objects, in any order of time; sessions are made where `session_id` is null."""

    name = "jsonl"
    summary = "JSON lines (or an array) whose names are the columns of events"
    time_ordered = False
    has_sessions = False
    items_from_events = True

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per object."""
        for line, text in self.json_rows():
            try:
                yield event_from(object_of(text))
            except ValueError as error:
                yield self.rejected(line, error, text)
