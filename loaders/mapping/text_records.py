"""Records of text files: JSON objects, or rows with a delimiter between their columns."""

from __future__ import annotations

import csv
from abc import abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from loaders.mapping.model import Layout
from loaders.mapping.records import Record, Records, bare_name
from loaders.reading.json_rows import object_of
from loaders.reading.text_log import TextLog
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected

DELIMITERS = "\t,;|"


class PlainText(TextLog):
    """A text file; what is made of it is told by others."""

    name = "file"
    summary = "a text file"

    def read(self) -> Iterator[Event | Rejected]:
        return iter(())


class TextRecords(Records):
    """Records of a text file; progress counts bytes of the file as it is stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = PlainText(path)

    @property
    def position(self) -> int:
        """Bytes read of the stored file."""
        return self._text.position

    def read(self) -> Generator[tuple[int, Record] | Rejected, None, None]:
        """Give every record, and where the stored file breaks off."""
        yield from self._rows()
        if self._text.broken is not None:
            yield self._text.broken

    @abstractmethod
    def _rows(self) -> Iterator[tuple[int, Record] | Rejected]:
        """Give every record."""


class JsonRecords(TextRecords):
    """JSON objects, one a line or in an array."""

    summary = "JSON objects"

    def _rows(self) -> Iterator[tuple[int, Record] | Rejected]:
        for line, text in self._text.json_rows():
            try:
                yield line, object_of(text)
            except ValueError as error:
                yield self._text.rejected(line, error, text)


class CsvRecords(TextRecords):
    """Rows with a delimiter under a header line, or under the names that the layout gives them."""

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__(path)
        with closing(self._text.lines()) as lines:
            first = next(lines, "").lstrip("\ufeff")
        self._dialect: dict[str, Any] = {"delimiter": layout.delimiter or _delimiter(path, first)}
        if not layout.quoted:
            self._dialect["quoting"] = csv.QUOTE_NONE
        self._header = () if layout.header else self._first()
        self.fields = layout.header or self._header
        self._check()
        sign = {"\t": "tab"}.get(self._dialect["delimiter"], self._dialect["delimiter"])
        self.summary = f"rows of {len(self.fields)} columns with {sign} between them"

    def _first(self) -> tuple[str, ...]:
        with closing(self._text.csv_rows(**self._dialect)) as rows:
            row = next(rows, None)
        return tuple(name.strip().lstrip("\ufeff") for name in row.fields) if row else ()

    def _rows(self) -> Iterator[tuple[int, Record] | Rejected]:
        names = self.fields or ()
        with closing(self._text.csv_rows(**self._dialect)) as rows:
            for number, row in enumerate(rows):
                if number == 0 and self._header:
                    continue
                try:
                    yield row.line, dict(zip(names, row.checked(len(names)), strict=True))
                except ValueError as error:
                    yield self._text.rejected(row.line, error, row.text)

    def _check(self) -> None:
        names = self.fields or ()
        twice = {name for name in names if names.count(name) > 1}
        if twice or not names:
            problem = f"the column {min(twice)!r} stands twice" if twice else "there is no header line"
            raise LoaderError(
                f"{self.path}:1: {problem}; name the columns of a file without a header line with --header a,b,c"
            )


def _delimiter(path: Path, first: str) -> str:
    if bare_name(path).suffix.lower() in {".tsv", ".tab"}:
        return "\t"
    return max(DELIMITERS, key=first.count) if any(sign in first for sign in DELIMITERS) else ","
