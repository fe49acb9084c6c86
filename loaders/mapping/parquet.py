"""Parquet files as records."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from loaders.mapping.records import Record, Records
from loaders.reading.text import PACKERS
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Rejected

BATCH = 10_000


class ParquetRecords(Records):
    """The rows of a Parquet file, nested ones too; progress counts rows. A file packed once more is unpacked first."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise LoaderError(
                "reading Parquet needs the package pyarrow: pip install 'millstream[parquet]'"
            ) from None
        self._arrow, self._parquet = pa, pq
        with self._open() as file:
            self.size = file.metadata.num_rows
            self.fields = tuple(file.schema_arrow.names)
        self.summary = f"Parquet with {self.size:,} rows"
        self._read = 0

    @property
    def position(self) -> int:
        """Rows read."""
        return self._read

    def read(self) -> Generator[tuple[int, Record] | Rejected, None, None]:
        """Give the rows, numbered from 1."""
        self._read = 0
        with self._open() as file:
            try:
                for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
                    for row in self._plain(batch).to_pylist():
                        self._read += 1
                        yield self._read, row
            except (self._arrow.ArrowException, OSError) as error:
                reason = f"the file is damaged after this row: {error}"
                yield Rejected(str(self.path), self._read, reason, "")

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with ExitStack() as stack:
            try:
                # No threads of its own: one that reads ahead when a load is stopped ends the process in an abort.
                file = self._parquet.ParquetFile(self._unpacked(stack), pre_buffer=False)
            except (self._arrow.ArrowException, OSError, EOFError) as error:
                raise LoaderError(f"{self.path}: no Parquet file that can be read: {error}") from error
            yield stack.enter_context(file)

    def _unpacked(self, stack: ExitStack) -> Path | IO[bytes]:
        opener = next((opener for _, suffix, opener in PACKERS if suffix == self.path.suffix), None)
        if opener is None:
            return self.path
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
        with opener(self.path) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        return file

    def _plain(self, batch: Any) -> Any:
        """Give times in microseconds: Python has no finer ones."""
        pa = self._arrow
        for number, column in enumerate(batch.schema):
            if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
                micro = pa.timestamp("us", column.type.tz)
                batch = batch.set_column(number, column.name, batch.column(number).cast(micro, safe=False))
        return batch
