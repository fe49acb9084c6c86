"""Files as records, whatever their kind: CSV, TSV, JSON lines or Parquet; each record a mapping from field to value."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from loaders.mapping.model import Layout
from loaders.reading.json_rows import object_of
from loaders.reading.source import TextSource
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event, Rejected

Record: TypeAlias = dict[str, Any]
KINDS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv",
    ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
DELIMITERS = "\t,;|"
PACKED = (".gz", ".bz2", ".xz", ".zip")
PARQUET_MARK = b"PAR1"


class Records(ABC):
    """The records of one file. `size` and `position` measure progress; `fields` are the names known before reading."""

    fields: tuple[str, ...] | None = None
    summary: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size: int | None = path.stat().st_size

    @property
    @abstractmethod
    def position(self) -> int:
        """How much of `size` has been read."""

    @abstractmethod
    def read(self) -> Generator[tuple[int, Record] | Rejected, None, None]:
        """Give every record from the start with its line or row number, or why there is none."""


class _Text(TextSource):
    """A text file; what is made of it is told by others."""

    name = "file"
    summary = "a text file"

    def read(self) -> Iterator[Event | Rejected]:
        return iter(())


class TextRecords(Records):
    """Records of a text file; progress counts bytes of the file as it is stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = _Text(path)

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


def open_records(path: Path, layout: Layout) -> Records:
    """Open a file as the layout says, or as its name and its first bytes say.

    Raises LoaderError for a file that cannot be read as that.
    """
    kind = layout.kind or KINDS.get(bare_name(path).suffix.lower()) or _sniffed(path)
    if kind == "parquet":
        from loaders.mapping.parquet import ParquetRecords

        return ParquetRecords(path)
    return CsvRecords(path, layout) if kind == "csv" else JsonRecords(path)


def bare_name(path: Path) -> Path:
    """Give the name that a packed file has when it is unpacked."""
    return path.with_suffix("") if path.suffix in PACKED else path


def sample(records: Records, count: int) -> list[Record]:
    """Give the first records that can be read."""
    with closing(records.read()) as found:
        return list(islice((record[1] for record in found if not isinstance(record, Rejected)), count))


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(PARQUET_MARK)) == PARQUET_MARK:
            return "parquet"
    with closing(_Text(path).lines()) as lines:
        first = next(lines, "").lstrip("\ufeff \t")
    return "jsonl" if first.startswith(("{", "[")) else "csv"


def _delimiter(path: Path, first: str) -> str:
    if bare_name(path).suffix.lower() in {".tsv", ".tab"}:
        return "\t"
    return max(DELIMITERS, key=first.count) if any(sign in first for sign in DELIMITERS) else ","
