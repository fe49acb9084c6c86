"""An event log in a text file: its lines, JSON objects or CSV records, as far as the stored file can be read."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from loaders.reading.csv_rows import CsvRow, csv_rows
from loaders.reading.event_log import EventLog
from loaders.reading.json_rows import elements, is_array
from loaders.reading.text import BROKEN, head_of, lines_of, open_text, printable
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected


class TextLog(EventLog):
    """A log in a text file, plain or packed with gzip, bzip2, xz or zip. Progress counts bytes of the file as it is stored."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(path, since=since, until=until, limit=limit)
        self.size = self.file.stat().st_size
        self._stored: BinaryIO | None = None
        self._damage: Rejected | None = None

    @property
    def file(self) -> Path:
        """The file; a text source always has one."""
        if self.path is None:
            raise LoaderError(
                f"format {self.name} reads a file and none was given: add its path after the format"
            )
        return self.path

    @property
    def position(self) -> int:
        """Bytes of the stored file that have been read."""
        return 0 if self._stored is None or self._stored.closed else self._stored.tell()

    @property
    def broken(self) -> Rejected | None:
        """Where the stored file breaks off, when it was read that far."""
        return self._damage

    def events(self) -> Iterator[Event | Rejected]:
        """Give what the base class gives; if the stored file breaks off, the last record is a rejected one that says so."""
        yield from super().events()
        if self._damage is not None:
            yield self._damage

    def lines(self) -> Generator[str, None, None]:
        """Give the file's lines with their ends, as far as the stored file can be read.

        Bytes that are no text become lone surrogates, and so does the end of a line that is too long; `damage` finds
        both.
        """
        with self._open() as text:
            for line in self._whole(enumerate(lines_of(text), start=1)):
                yield line[1]

    def json_rows(self) -> Iterator[tuple[int, str]]:
        """Give line number and text of every JSON object: one a line, or the elements of an array."""
        with self._open() as text:
            if is_array(head_of(text)):
                text.reconfigure(newline=None)
                rows = elements(text)
            else:
                rows = enumerate(lines_of(text), start=1)
            for number, row in self._whole(rows):
                if body := row.strip(" \t\r\n\ufeff"):
                    yield number, body

    def csv_rows(self, **dialect: Any) -> Generator[CsvRow, None, None]:
        """Give every CSV record that is not blank, the header too, each with its fields or why it has none."""
        return csv_rows(self.lines(), **dialect)

    def rejected(self, line: int, error: ValueError, text: str) -> Rejected:
        """Tell why a row is no event; a `parse.BadField` names its column."""
        return Rejected(str(self.file), line, str(error), printable(text), getattr(error, "column", None))

    @contextmanager
    def _open(self) -> Iterator[io.TextIOWrapper]:
        self._damage = None
        try:
            stored = self.file.open("rb")
        except OSError as error:
            raise LoaderError(f"{self.file} cannot be read ({error.strerror}); check its rights") from error
        with stored:
            self._stored = stored
            try:
                text = open_text(stored, self.file)
            except BROKEN as error:
                self._damage = self._broken(0, error)
                text = io.TextIOWrapper(io.BufferedReader(io.BytesIO()))
            yield text

    def _whole(self, rows: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Give rows until the stored file breaks off."""
        number = 0
        try:
            for number, row in rows:
                yield number, row
        except BROKEN as error:
            self._damage = self._broken(number, error)

    def _broken(self, line: int, error: Exception) -> Rejected:
        return Rejected(str(self.file), line, f"the file is damaged after this line: {error}", "")
