"""Canonical CSV: a header line that names columns of `events`, then one event per row."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from loaders.errors import LoaderError
from loaders.parse import REQUIRED, event_from
from loaders.relations import EVENTS
from loaders.rows import Event, Rejected
from loaders.source import TextSource, damage, printable


class CanonicalCsv(TextSource):
    """Events as CSV rows, in any order of time; an empty field is null; sessions are made where they are null."""

    name = "csv"
    summary = "CSV with a header of column names of events"
    time_ordered = False
    has_sessions = False

    def read(self) -> Iterator[Event | Rejected]:
        """Give one record per row after the header. Raises LoaderError for a header that names no events."""
        rows = csv.reader(self.lines(), strict=True)
        header = self._header(next(rows, []))
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Rejected(str(self.file), rows.line_num, f"not CSV: {error}", "")
                continue
            if row is None:
                return
            if not row:
                continue
            try:
                yield _event(header, row)
            except ValueError as error:
                yield Rejected(str(self.file), rows.line_num, str(error), printable(",".join(row)))

    def _header(self, names: list[str]) -> list[str]:
        header = [name.strip().removeprefix("\ufeff") for name in names]
        unknown = [name for name in header if name not in EVENTS.columns]
        missing = [name for name in REQUIRED if name not in header]
        if unknown or missing or len(set(header)) != len(header):
            problem = (
                f"unknown column {unknown[0]!r}" if unknown else f"missing or repeated column {missing[:1]}"
            )
            raise LoaderError(
                f"{self.file}:1: {problem}; the header must name each of {', '.join(REQUIRED)} and may name "
                f"{', '.join(name for name in EVENTS.columns if name not in REQUIRED)}"
            )
        return header


def _event(header: list[str], row: list[str]) -> Event:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} fields where the header has {len(header)}")
    if reason := damage("".join(row)):
        raise ValueError(reason)
    return event_from(dict(zip(header, row, strict=True)))
