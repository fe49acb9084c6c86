"""What every source format offers: its events in time order, and the catalogue and people that it knows of."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from loaders.reading.csv_rows import CsvRow, csv_rows
from loaders.reading.json_rows import elements, is_array
from loaders.reading.order import in_time_order
from loaders.reading.sessions import with_sessions
from loaders.reading.text import BROKEN, damage, head_of, lines_of, open_text, printable
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Identity, Item, Rejected, User, chunks

__all__ = ["Source", "TextSource", "chunks", "damage", "from_unix", "printable"]


class Source(ABC):
    """An event log. `read` gives its rows as they stand; `events` orders them, gives them sessions and bounds them.

    `since` is inclusive and `until` exclusive, both in the log's own time; `limit` counts events. `size` and `position`
    measure progress in the same unit of the format's choice (rows or bytes); `size` is None when it is not known.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_path: ClassVar[bool] = True
    time_ordered: ClassVar[bool] = True
    has_sessions: ClassVar[bool] = True
    items_from_events = False
    """Whether `items` are made of what events name; then they are only for a catalogue that nobody keeps."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> None:
        if self.needs_path and path is None:
            raise LoaderError(
                f"format {self.name} reads a file and none was given: add its path after the format"
            )
        if path is not None and not path.is_file():
            raise LoaderError(f"{path}: no such file (format {self.name}); check the path")
        self.path = path
        self.since = since
        self.until = until
        self.limit = limit
        self.size: int | None = None

    @property
    def position(self) -> int:
        """How much of `size` has been read."""
        return 0

    @abstractmethod
    def read(self) -> Iterator[Event | Rejected]:
        """Give every row of the log from its start, as an event or as the reason why it is none."""

    def items(self) -> Iterator[Item]:
        """Give the catalogue. A format whose events alone name items gives those, called by their ids."""
        if not self.items_from_events:
            return
        seen: set[str] = set()
        for record in self.read():
            if isinstance(record, Event) and record.item_id is not None and record.item_id not in seen:
                seen.add(record.item_id)
                yield Item(
                    record.item_id, f"Item {record.item_id}", None, None, None, record.price, True, None
                )

    def users(self) -> Iterator[User]:
        """Give the people whose segment the log knows; formats without any give nothing."""
        return iter(())

    def identities(self) -> Iterator[Identity]:
        """Give which person a visitor turned out to be; formats that do not know give nothing."""
        return iter(())

    def in_order(self, records: Iterable[Event | Rejected]) -> Iterable[Event | Rejected]:
        """Change what can only be told from records in time order; most formats change nothing."""
        return records

    def events(self) -> Iterator[Event | Rejected]:
        """Give the events in time order, each with a session where its person is known, within the bounds."""
        records: Iterable[Event | Rejected] = self.read()
        if not self.time_ordered:
            records = in_time_order(records)
        records = self.in_order(records)
        if not self.has_sessions:
            records = with_sessions(records)
        bounded = self._between(records)
        return bounded if self.limit is None else _first_events(bounded, self.limit)

    def whole(self) -> Source:
        """Give the same log without bounds."""
        return type(self)(self.path)

    def last_time(self) -> datetime | None:
        """Give the time of the last event within the bounds, or None when there is none."""
        return max(
            (record.occurred_at for record in self.events() if isinstance(record, Event)), default=None
        )

    def _between(self, records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
        for record in records:
            if isinstance(record, Event):
                if self.until is not None and record.occurred_at >= self.until:
                    return
                if self.since is not None and record.occurred_at < self.since:
                    continue
            yield record


class TextSource(Source):
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


def from_unix(seconds: float) -> datetime:
    """Give the UTC time of a Unix time in seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _first_events(records: Iterable[Event | Rejected], limit: int) -> Iterator[Event | Rejected]:
    seen = 0
    if limit <= 0:
        return
    for record in records:
        yield record
        if isinstance(record, Event):
            seen += 1
            if seen == limit:
                return
