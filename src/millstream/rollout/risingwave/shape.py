"""The shape of a CREATE TABLE: its columns as they are written, and a hash of what follows them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from millstream.rollout.risingwave.stamp import Stamp, without_comments

PART = re.compile(r"'(?:[^']|'')*'|[(<\[]|[)>\]]|,|[^'(<\[)>\],]+")
SOLID = re.compile(r" not null| primary key", re.IGNORECASE)


@dataclass(frozen=True)
class TableShape:
    """`columns` are the items between the outer parentheses, `rest` the hash of what stands behind them."""

    columns: tuple[str, ...]
    rest: str

    @property
    def names(self) -> list[str]:
        """The first word of each item: a column's name."""
        return [column.split()[0] for column in self.columns]

    def added(self, before: Stamp) -> tuple[str, ...] | None:
        """The nullable columns that it has at the end of an earlier shape; none where it differs by more than that."""
        if before.columns is None or before.rest != self.rest:
            return None
        count = len(before.columns)
        added = self.columns[count:]
        same = self.columns[:count] == before.columns
        return added if same and not any(SOLID.search(column) for column in added) else None


def shape_of(ddl: str) -> TableShape:
    """Read a declaration."""
    columns: list[str] = []
    depth, item, rest = -1, "", ""
    closed = False
    for part in PART.findall(without_comments(ddl)):
        if closed:
            rest += part
        elif depth < 0:
            depth += part == "("
        elif depth == 0 and part in (",", ")"):
            if item.strip():
                columns.append(item.strip())
            item = ""
            closed = part == ")"
        else:
            depth += (part in "(<[") - (part in ")>]")
            item += part
    return TableShape(tuple(columns), hashlib.md5(rest.strip().encode(), usedforsecurity=False).hexdigest())
