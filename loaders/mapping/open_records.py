"""Open a file as records of its kind: the one that is said, or that its name or its first bytes say."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from loaders.mapping.model import Layout
from loaders.mapping.records import Records, bare_name
from loaders.mapping.text_records import CsvRecords, JsonRecords, PlainText

KINDS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv",
    ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
PARQUET_MARK = b"PAR1"


def open_records(path: Path, layout: Layout) -> Records:
    """Open a file as the layout says, or as its name and its first bytes say.

    Raises LoaderError for a file that cannot be read as that.
    """
    kind = layout.kind or KINDS.get(bare_name(path).suffix.lower()) or _sniffed(path)
    if kind == "parquet":
        from loaders.mapping.parquet import ParquetRecords

        return ParquetRecords(path)
    return CsvRecords(path, layout) if kind == "csv" else JsonRecords(path)


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(PARQUET_MARK)) == PARQUET_MARK:
            return "parquet"
    with closing(PlainText(path).lines()) as lines:
        first = next(lines, "").lstrip("\ufeff \t")
    return "jsonl" if first.startswith(("{", "[")) else "csv"
