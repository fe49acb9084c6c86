"""The tape: what an on-act view holds, worked out tick by tick from which driver rows changed.

An on-act view has no batch meaning: a result depends on what the right sides held when its driver row changed last. At
every tick the tape finds the driver rows that differ from the tick before, evaluates the view's SQL for each of them
alone, against the right sides as they were after the previous tick, and keeps the result under the driver's key. Rows
of drivers that vanished go; a right side that changes does nothing.

Equal rows of a driver without a key are counted: each that comes is looked up, and for each that goes the oldest result
of an equal row goes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.equivalence.act_cases import ActView, snapshot
from tests.equivalence.oracles import DuckdbOracle
from tests.equivalence.schema import Column


class Tape:
    """One on-act view. `desk` is the DuckDB oracle, whose tables hold every relation as of the current tick."""

    def __init__(self, act: ActView, desk: DuckdbOracle) -> None:
        self.act = act
        self._desk = desk
        self._drivers: dict[str, tuple[str, tuple[Any, ...]]] = {}
        self._results: dict[str, list[tuple[Any, ...]]] = {}
        self._counts: Counter[str] = Counter()
        self._given: dict[
            str, list[list[tuple[Any, ...]]]
        ] = {}  # what each of several equal rows gave, oldest first

    @property
    def table(self) -> str:
        """The table of the oracles that holds the on-act rows."""
        return self.act.name if self.act.outer is None else f"{self.act.name}_inner"

    @property
    def ddl(self) -> str:
        columns = ", ".join(f"{column.name} {column.type}" for column in self.act.inner)
        return f"create table {self.table} ({columns})"

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return [row for rows in self._results.values() for row in rows]

    def before_tick(self) -> None:
        """Keep the right sides as they are now."""
        for name in self.act.rights:
            self._desk.execute(f"create or replace table {snapshot(name)} as select * from {name}")

    def after_tick(self) -> None:
        """Look the changed driver rows up in what was kept."""
        if self.act.driver.key:
            self._by_key()
        else:
            self._by_count()

    def _by_key(self) -> None:
        drivers = self._read_drivers()
        for key in self._drivers.keys() - drivers.keys():
            del self._results[key]
        for key, row in drivers.items():
            if key not in self._drivers or self._drivers[key][0] != row[0]:
                self._results[key] = self._evaluate(row[1])
        self._drivers = drivers

    def _by_count(self) -> None:
        found = self._read_rows()
        counts = Counter(text for text, _ in found)
        by_text = dict(found)
        for text in counts.keys() | self._counts.keys():
            more = counts[text] - self._counts[text]
            given = self._given.setdefault(text, [])
            if more < 0:
                del given[:-more]
            elif more > 0 and (results := self._evaluate(by_text[text])):
                given += [results] * more
        self._counts = counts
        self._results = {
            text: [row for found in given for row in found] for text, given in self._given.items()
        }

    def _read_rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Driver rows with their text, which tells a month from 30 days; Python does not."""
        rows = self._desk.query(f"select t.*, cast(t as varchar) from {self.act.driver.relation.name} as t")
        return [(str(text), tuple(row)) for *row, text in rows]

    def _read_drivers(self) -> dict[str, tuple[str, tuple[Any, ...]]]:
        """Driver rows with their text, by the text of their key (NULL and NaN are keys like any other)."""
        driver = self.act.driver
        rows = self._read_rows()
        positions = [position(driver.relation.columns, name) for name in driver.key]
        found = {repr([row[n] for n in positions]): (text, row) for text, row in rows}
        assert len(found) == len(rows), f"{driver.relation.name} has two rows of one key"
        return found

    def _evaluate(self, row: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        name = self.act.driver.relation.name
        self._desk.execute(f"create or replace table driver_row as select * from {name} limit 0")
        self._desk.load("driver_row", [row])
        return self._desk.query(self.act.tape_sql)


def position(columns: tuple[Column, ...], name: str) -> int:
    return [column.name for column in columns].index(name)
