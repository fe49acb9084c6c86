"""The records of a file, whatever its kind: each a mapping from field to value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from loaders.schema.rows import Rejected

Record: TypeAlias = dict[str, Any]
PACKED = (".gz", ".bz2", ".xz", ".zip")


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


def bare_name(path: Path) -> Path:
    """Give the name that a packed file has when it is unpacked."""
    return path.with_suffix("") if path.suffix in PACKED else path


def sample(records: Records, count: int) -> list[Record]:
    """Give the first records that can be read."""
    with closing(records.read()) as found:
        return list(islice((record[1] for record in found if not isinstance(record, Rejected)), count))
