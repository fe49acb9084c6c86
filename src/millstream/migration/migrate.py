"""Moving up: what would be copied, the copy, and the comparison after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import psycopg

from millstream.errors import MillstreamError
from millstream.migration.compare import compare
from millstream.migration.copy import Copied, copy_table, relation, surplus
from millstream.migration.source import CLOCK, Snapshot, SourceTable
from millstream.migration.target import RisingWaveTarget

REMEDY = "  hint: nothing is lost: run `millstream migrate` again, it sends what is missing"
Advance = Callable[[str, int], None]  # takes a table and the number of rows that are settled


@dataclass(frozen=True)
class TablePlan:
    """What would be copied of a table: rows here, rows there. `skipped` says why nothing is."""

    name: str
    here: int
    there: int
    skipped: str = ""


@dataclass(frozen=True)
class Compared:
    """Whether a table or view is the same there: `result` is equal, different, moved or not compared.

    `moved` is a view that reads now() and differs: rows at the edge of a window come and go between two readings.
    """

    name: str
    result: str
    reason: str = ""
    only_here: int = 0
    only_there: int = 0
    sample_here: tuple[str, ...] = ()
    sample_there: tuple[str, ...] = ()


class Migration:
    """One snapshot of the embedded engine and the target that it goes to. Raises MillstreamError where tables lack there."""

    def __init__(
        self,
        snapshot: Snapshot,
        target: RisingWaveTarget,
        chosen: Collection[str] = (),
        keep_extra: bool = False,
    ) -> None:
        self.snapshot = snapshot
        self.target = target
        self.keep_extra = keep_extra
        self.tables = choose(snapshot.tables, chosen)
        self.is_all = not chosen
        with reaching():
            self._there = target.columns()
        self._check()

    def plan(self) -> list[TablePlan]:
        """Rows here and there, table by table, in the order in which they are copied."""
        with reaching():
            return [
                TablePlan(
                    each.key,
                    self.snapshot.count(each.key),
                    self.target.count(relation(each.key)),
                    self._skipped(each),
                )
                for each in self.tables
            ]

    def copy(self, advance: Advance) -> dict[str, Copied]:
        """Copy every table. Raises MillstreamError where one there has rows that are not here, before anything is sent."""
        wanted = [each for each in self.tables if not self._skipped(each)]
        with reaching():
            if not self.keep_extra:
                for each in wanted:
                    self._refuse_surplus(each)
            return {
                each.key: copy_table(self.snapshot, self.target, each, partial(advance, each.key))
                for each in wanted
            }

    def verify(self) -> list[Compared]:
        """Compare the tables that are copied, and the views whose rows follow from them."""
        with reaching():
            self.target.flush()
            tables = [
                Compared(each.key, "not compared", self._skipped(each))
                if self._skipped(each)
                else self._compare(each.key, [name for name, _ in each.columns], "")
                for each in self.tables
            ]
            return tables + (
                [self._view(each.key, each.columns, each.reason) for each in self.snapshot.views]
                if self.is_all
                else []
            )

    def _view(self, key: str, columns: Sequence[str], reason: str) -> Compared:
        if key not in self._there:
            return Compared(
                key, "different", "it is not deployed there: millstream deploy --target risingwave"
            )
        if reason == CLOCK and self.snapshot.clock == "event":
            return Compared(key, "not compared", "it reads now(), which here is the time of the events")
        if reason and reason != CLOCK:
            return Compared(key, "not compared", reason)
        return self._compare(key, columns, reason)

    def _compare(self, key: str, columns: Sequence[str], reason: str) -> Compared:
        found = compare(
            lambda: self.snapshot.rows(key, columns), lambda: self.target.rows(relation(key), columns)
        )
        if not found:
            return Compared(key, "equal")
        return Compared(
            key,
            "moved" if reason else "different",
            reason,
            found.only_here,
            found.only_there,
            tuple(map(shown(columns), found.sample_here)),
            tuple(map(shown(columns), found.sample_there)),
        )

    def _skipped(self, table: SourceTable) -> str:
        """Messages of a topic: RisingWave reads it itself, and rows without a key would be there twice."""
        fed = any(each.relation == table.key for each in self.snapshot.partitions)
        if fed and not table.key_columns and self.is_all:
            return "RisingWave reads the topic itself, from its earliest message"
        return ""

    def _check(self) -> None:
        missing = [each.key for each in self.tables if each.key not in self._there]
        if missing:
            raise MillstreamError(
                f"RisingWave has no {', '.join(missing)}: the project is not deployed there\n"
                "  hint: millstream deploy --target risingwave, then run this again; nothing was copied"
            )
        for each in self.tables:
            lacking = [name for name, _ in each.columns if name not in self._there[each.key]]
            if lacking:
                raise MillstreamError(
                    f"{each.key} has no column {', '.join(lacking)} in RisingWave: another version is deployed there\n"
                    "  hint: millstream deploy --target risingwave, then run this again; nothing was copied"
                )

    def _refuse_surplus(self, table: SourceTable) -> None:
        extra = surplus(self.snapshot, self.target, table)
        if extra:
            raise MillstreamError(
                f"{table.key} in RisingWave is not empty: {extra:,} of its rows are not here; nothing was copied\n"
                "  hint: is it the right RisingWave? If applications or Kafka already write there, add --keep-extra: "
                "what is there stays, and a key that both have becomes what it is here"
            )


def choose(tables: Sequence[SourceTable], chosen: Collection[str]) -> list[SourceTable]:
    """The tables to copy: those with a key first, so that what a sink derives from the others finds its rows there."""
    names = {name if "." in name else f"public.{name}" for name in chosen}
    unknown = sorted(names - {each.key for each in tables})
    if unknown:
        raise MillstreamError(
            f"no source table is called {', '.join(unknown)}\n  hint: one of {', '.join(each.key for each in tables)}"
        )
    wanted = [each for each in tables if not names or each.key in names]
    return sorted(wanted, key=lambda each: not each.key_columns)


def shown(columns: Sequence[str]) -> Callable[[Sequence[Any]], str]:
    """Return a function that tells a row in one line."""
    return lambda row: ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))


def as_json(snapshot: Snapshot, **parts: Any) -> dict[str, Any]:
    """For machines; the keys are documented in docs/howto/outgrow-one-machine.md."""
    return {
        "tick": snapshot.tick,
        "now": snapshot.now.isoformat(),
        "waiting": snapshot.waiting,
        "offsets": [asdict(each) for each in snapshot.partitions],
        **parts,
    }


@contextmanager
def reaching() -> Iterator[None]:
    """Say how to go on where the connection to the target breaks."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise MillstreamError(f"the connection broke: {str(error).strip()}\n{REMEDY}") from error
