"""What every source format offers: its events in time order, and the catalogue and people that it knows of."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from loaders.errors import LoaderError
from loaders.order import in_time_order
from loaders.rows import Event, Item, Rejected, User
from loaders.sessions import with_sessions

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


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
        """Give the catalogue; formats without one give nothing."""
        return iter(())

    def users(self) -> Iterator[User]:
        """Give the people whose segment the log knows; formats without any give nothing."""
        return iter(())

    def events(self) -> Iterator[Event | Rejected]:
        """Give the events in time order, each with a session where its person is known, within the bounds."""
        records: Iterable[Event | Rejected] = self.read()
        if not self.time_ordered:
            records = in_time_order(records)
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
    """A log in a text file, plain or packed with gzip, bzip2 or xz. Progress counts bytes of the file as it is stored."""

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

    def events(self) -> Iterator[Event | Rejected]:
        """Give what the base class gives; if the stored file breaks off, the last record is a rejected one that says so."""
        yield from super().events()
        if self._damage is not None:
            yield self._damage

    def lines(self) -> Iterator[str]:
        """Give the file's lines with their ends, as far as the stored file can be read.

        Bytes that are not UTF-8 become lone surrogates, which `damage` finds.
        """
        number = 0
        self._damage = None
        with self.file.open("rb") as stored:
            self._stored = stored
            opener = OPENERS.get(self.file.suffix)
            unpacked = stored if opener is None else opener(stored)
            text = io.TextIOWrapper(unpacked, encoding="utf-8", errors="surrogateescape", newline="")
            try:
                for line in text:
                    number += 1
                    yield line
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                reason = f"the file is damaged after this line: {error}"
                self._damage = Rejected(str(self.file), number, reason, "")


def damage(text: str) -> str | None:
    """Say why a text cannot be stored as it is, or None if it can."""
    if "\x00" in text:
        return "the row contains a NUL character, which no text column can hold"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "the row is not UTF-8"
    return None


def printable(text: str) -> str:
    """Give a damaged row as text that can be written: undecodable bytes and NULs become backslash escapes."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


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


def chunks(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    """Cut a stream into lists of `size` events, the last one shorter."""
    iterator = iter(events)
    while chunk := list(islice(iterator, size)):
        yield chunk
