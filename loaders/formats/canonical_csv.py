"""Canonical CSV: a header line that names columns of `events`, then one event per row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from loaders.reading.csv_rows import CsvRow
from loaders.reading.parse import REQUIRED, event_from
from loaders.reading.text import shown
from loaders.reading.text_log import TextLog
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event, Rejected


class CanonicalCsv(TextLog):
    """Events as CSV rows, in any order of time; an empty field is null; sessions are made where they are null."""

    name = "csv"
    summary = "CSV with a header of column names of events"
    time_ordered = False
    has_sessions = False
    items_from_events = True

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row after the header. Raises LoaderError for a header that names no events."""
        with closing(self.csv_rows()) as rows:
            first = next(rows, None)
            if first is None:
                return
            header = self._header(first)
            for row in rows:
                try:
                    yield _event(header, row)
                except ValueError as error:
                    yield self.rejected(row.line, error, row.text)

    def _header(self, row: CsvRow) -> list[str]:
        header = [name.strip() for name in row.fields]
        unknown = [name for name in header if name not in EVENTS.columns]
        missing = [name for name in REQUIRED if name not in header]
        twice = [name for name in header if header.count(name) > 1]
        if unknown or missing or twice:
            problem = (
                f"unknown column {shown(unknown[0])}"
                if unknown
                else f"missing column {missing[0]}"
                if missing
                else f"the column {twice[0]} stands twice"
            )
            raise LoaderError(
                f"{self.file}:{row.line}: {problem}; the header must name each of {', '.join(REQUIRED)} and may name "
                f"{', '.join(name for name in EVENTS.columns if name not in REQUIRED)}"
            )
        return header


def _event(header: list[str], row: CsvRow) -> Event:
    return event_from(dict(zip(header, row.checked(len(header)), strict=True)))
