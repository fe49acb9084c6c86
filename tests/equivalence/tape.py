"""The tape: what an on-act view holds, worked out tick by tick from which driver rows changed.

An on-act view has no batch meaning: a result depends on what the right sides held when its driver row changed last. At
every tick the tape finds the driver rows that differ from the tick before, evaluates the view's SQL for each of them
alone, against the right sides as they were after the previous tick, and keeps the result under the driver's key. Rows
of drivers that vanished go; a right side that changes does nothing.
"""

from __future__ import annotations

from typing import Any

from tests.equivalence.act_cases import ActView, snapshot
from tests.equivalence.oracles import DuckdbOracle
from tests.equivalence.schema import Column


class Tape:
    """One on-act view. `desk` is the DuckDB oracle, whose tables hold every relation as of the current tick."""

    def __init__(self, act: ActView, desk: DuckdbOracle) -> None:
        self.act = act
        self._desk = desk
        self._drivers: dict[str, tuple[Any, ...]] = {}
        self._results: dict[str, list[tuple[Any, ...]]] = {}

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
        drivers = self._read_drivers()
        for key in self._drivers.keys() - drivers.keys():
            del self._results[key]
        for key, row in drivers.items():
            if key not in self._drivers or repr(self._drivers[key]) != repr(row):
                self._results[key] = self._evaluate(row)
        self._drivers = drivers

    def _read_drivers(self) -> dict[str, tuple[Any, ...]]:
        """Driver rows by the text of their key (NULL and NaN are keys like any other)."""
        driver = self.act.driver
        rows = self._desk.read(driver.relation.name).rows
        positions = [position(driver.relation.columns, name) for name in driver.key]
        found = {repr([row[n] for n in positions]): row for row in rows}
        assert len(found) == len(rows), f"{driver.relation.name} has two rows of one key"
        return found

    def _evaluate(self, row: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        name = self.act.driver.relation.name
        self._desk.execute(f"create or replace table driver_row as select * from {name} limit 0")
        self._desk.load("driver_row", [row])
        return self._desk.query(self.act.tape_sql)


def position(columns: tuple[Column, ...], name: str) -> int:
    return [column.name for column in columns].index(name)
