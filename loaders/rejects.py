"""Where rows go that are no events: a file of JSON lines, or `events_raw`, whose readers show them as rejected."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from loaders.relations import EVENTS_RAW
from loaders.rows import RawEvent, Rejected
from loaders.target import Target

SHOWN = 20


class Rejects:
    """Counts rejected rows by reason and keeps every one of them."""

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
        self.reasons[row.reason] += 1
        if len(self.first) < SHOWN:
            self.first.setdefault(row.reason, row)

    def report(self) -> list[str]:
        """Say per reason how many rows there were and where the first stands, most frequent reasons first."""
        lines = [
            f"{count:,} × {reason} (first at {self.first[reason].file}:{self.first[reason].line})"
            for reason, count in self.reasons.most_common(SHOWN)
            if reason in self.first
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
    """One JSON object per row: file, line, reason, payload. Each run writes the file anew; without a row there is none."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._file: TextIO | None = None
        path.unlink(missing_ok=True)

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self.path)

    def add(self, row: Rejected) -> None:
        """Append the row to the file."""
        super().add(row)
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        self._file.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class RejectsRelation(Rejects):
    """Sends the payloads to `events_raw`; a run that is repeated sends only the lines that are not there yet."""

    def __init__(self, target: Target) -> None:
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
        partition = f"rejected:{Path(row.file).name}"
        sent = self._sent.get(partition)
        if sent is None:
            sent = self._sent[partition] = self.target.raw_offsets(partition)
        if str(row.line) not in sent:
            sent.add(str(row.line))
            raw = RawEvent(row.payload, partition, str(row.line), datetime.now(UTC))
            self.target.insert(EVENTS_RAW, [raw])
