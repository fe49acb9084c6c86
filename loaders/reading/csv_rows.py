"""CSV records with their place: a damaged one is told alone, and what follows it is read."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple

from loaders.reading.text import LONGEST, damage

LONGEST_RECORD = 1024 * 1024
"""Characters of a record that goes over several lines; a quotation mark that nobody closes swallows no more."""


class CsvRow(NamedTuple):
    """A record: the number of its first line (from 1), its text, and its fields or why it has none."""

    line: int
    text: str
    fields: list[str]
    problem: str | None

    def checked(self, count: int) -> list[str]:
        """Give the fields. Raises ValueError with the reason where there are not so many."""
        if self.problem is not None:
            raise ValueError(self.problem)
        if len(self.fields) != count:
            raise ValueError(f"{len(self.fields)} fields where the header has {count}")
        return self.fields


def csv_rows(lines: Iterable[str], **dialect: Any) -> Generator[CsvRow, None, None]:
    """Give the records that are not blank. `dialect` is csv.reader's: delimiter, quoting and so on.

    Where a record cannot be read, its first line is told as damaged and reading goes on with the next line.
    """
    csv.field_size_limit(LONGEST)  # a line has no more, and this is one setting for the whole process
    feed = _Feed(lines)
    reader = csv.reader(feed, strict=True, **dialect)
    while True:
        line = feed.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            text = feed.give_back()
            yield CsvRow(line, text, [], damage(text) or f"not CSV: {error}")
            continue
        if fields:
            yield CsvRow(line, feed.text(), fields, None)


class _Feed:
    """Lines for the reader; remembers those of the record under way, to give all but the first again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._size = 0
        self._line = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._record and self._size > LONGEST_RECORD:
            raise csv.Error(f"a quotation mark is not closed within {LONGEST_RECORD:,} characters")
        line = self._again.popleft() if self._again else next(self._lines)
        self._record.append(line)
        self._size += len(line)
        if damage(line):
            raise csv.Error("a quotation mark is not closed before a line that is damaged")
        return line

    def begin(self) -> int:
        self._line += len(self._record)
        self._record, self._size = [], 0
        return self._line

    def text(self) -> str:
        return "".join(self._record).rstrip("\r\n")

    def give_back(self) -> str:
        first, *others = self._record
        self._again.extendleft(reversed(others))
        self._record = [first]
        return first.rstrip("\r\n")
