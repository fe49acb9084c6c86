"""Where rows go that are no events: a file of JSON lines, or `events_raw`, whose readers show them as rejected."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from loaders.reading.event_log import EventLog
from loaders.reading.text import printable
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS_RAW
from loaders.schema.rows import Event, RawEvent, Rejected
from loaders.target.connection import WriterConnection

SHOWN = 20
REASONS = 1_000
OTHER = "other reasons"


class Rejects:
    """Counts rejected rows by reason, of which it tells REASONS apart, and keeps every one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self.first: dict[str, Rejected] = {}

    @property
    def place(self) -> str:
        """Where the rows are, in words."""
        raise NotImplementedError

    def add(self, row: Rejected) -> None:
        """Keep one row."""
        self.count += 1
        reason = row.reason if row.reason in self.reasons or len(self.reasons) < REASONS else OTHER
        self.reasons[reason] += 1
        self.first.setdefault(reason, row._replace(payload=""))

    def report(self) -> list[str]:
        """Say per reason how many rows there were and where the first stands, most frequent reasons first."""
        lines = [
            f"{count:,} × {reason} (first at {self.first[reason].file}:{self.first[reason].line})"
            for reason, count in self.reasons.most_common(SHOWN)
        ]
        hidden = len(self.reasons) - len(lines)
        return [*lines, f"and {hidden:,} more reasons"] if hidden > 0 else lines

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class RejectsFile(Rejects):
    """One JSON object per row: file, line, reason, payload, column. Each run writes the file anew; without a row there
    is none. A line is written in one go, so that a run that is killed leaves no half of one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._file: int | None = None
        self._size = 0
        with _telling(path):
            path.unlink(missing_ok=True)

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self.path)

    def add(self, row: Rejected) -> None:
        """Append the row to the file. Raises LoaderError, and leaves whole lines, where there is no room for it."""
        super().add(row)
        line = printable(json.dumps(row._asdict(), ensure_ascii=False) + "\n").encode()
        with _telling(self.path):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                while line:
                    line = line[os.write(self._file, line) :]
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._size = os.fstat(self._file).st_size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LoaderError(
            f"rejected rows cannot be written to {path} ({error.strerror}); make room, or name another file with --rejects"
        ) from error


class RejectsRelation(Rejects):
    """Sends the payloads to `events_raw`; a run that is repeated sends only the lines that are not there yet."""

    def __init__(self, target: WriterConnection) -> None:
        super().__init__()
        self.target = target
        self._sent: dict[str, set[str]] = {}

    @property
    def place(self) -> str:
        """The relation's name."""
        return EVENTS_RAW.name

    def add(self, row: Rejected) -> None:
        """Send the row unless its line of its file is there."""
        super().add(row)
        partition = printable(f"rejected:{Path(row.file).name}")
        sent = self._sent.get(partition)
        if sent is None:
            sent = self._sent[partition] = self.target.raw_offsets(partition)
        if str(row.line) not in sent:
            sent.add(str(row.line))
            raw = RawEvent(row.payload, partition, str(row.line), datetime.now(UTC))
            self.target.insert(EVENTS_RAW, [raw])


def accepted(source: EventLog, rejects: Rejects) -> Iterator[Event]:
    """The events of a log; what is none goes to the rejects."""
    for record in source.events():
        if isinstance(record, Rejected):
            rejects.add(record)
        else:
            yield record
