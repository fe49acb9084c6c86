"""The engines that a history runs on, behind one interface."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import psycopg
import pytest

from millstream.migration.literal import literal
from tests.conformance.history import LATE, MODELS, TABLES, Step
from tests.equivalence.cases import Change, Delete, Insert, Update
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine, as_sql
from tests.equivalence.oracles import DuckdbOracle, Result, read
from tests.equivalence.schema import Table
from tests.equivalence.source_model import SourceModel

DSN = "RISINGWAVE_DSN"
"""Connection string of a RisingWave to compare with."""
UDF_LINK = "RISINGWAVE_UDF_LINK"
"""Address, as RisingWave sees it, of a server of `shaky_v1`."""


class Target(Protocol):
    """One engine with the sources and models of a history."""

    @property
    def models(self) -> Sequence[str]:
        """Names of what can be compared."""
        ...

    def execute(self, change: Change) -> None:
        """Run one statement."""
        ...

    def flush(self, now: datetime) -> None:
        """Let everything before be visible, at a moment."""
        ...

    def read(self, model: str) -> Result:
        """The rows of a model."""
        ...


def play(
    steps: Iterable[Step], start: datetime, targets: Sequence[Target]
) -> Iterable[tuple[Step, datetime]]:
    """Run a history on all targets; yields after each step, with the moment of its tick."""
    now = start
    for step in steps:
        now = step.after(now)
        for target in targets:
            for change in step.changes:
                target.execute(change)
            target.flush(now)
        yield step, now


def compare(
    step: Step, one: Target, other: Target, columns: Callable[[str], frozenset[str]] = lambda _: frozenset()
) -> int:
    """Fail where a model's rows differ, but for the `columns` of it; returns how many models both have."""
    names = [name for name in one.models if name in set(other.models)]
    for name in names:
        wrong = difference(rows(one, name, columns(name)), rows(other, name, columns(name)))
        assert wrong is None, f"{step.name}: {name} differs\n{wrong}"
    return len(names)


def rows(target: Target, model: str, without: frozenset[str] = frozenset()) -> list[tuple[Any, ...]]:
    """A model's rows but for some columns, in the order of the rest."""
    result = target.read(model)
    kept = [place for place, name in enumerate(result.names) if name not in without]
    return [tuple(row[place] for place in kept) for row in result.rows]


class Closing:
    """A target that is closed at the end of a `with`."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Embedded(Closing):
    """The embedded engine; a FLUSH is a tick at that moment."""

    def __init__(self, dsn: str) -> None:
        self.models: Sequence[str] = [model.name for model in MODELS]
        self.engine = Engine(dsn)
        self.deploy()

    def deploy(self) -> None:
        for table in TABLES:
            self.engine.create_table(table)
        here = Path(__file__).with_name("shaky_v1.py")
        self.engine.deploy_function("shaky_v1", [("price", "double precision")], "double precision", here)
        for model in MODELS:
            self.engine.deploy_view(model.name, model.sql, materialized=model.materialized)

    def close(self) -> None:
        self.engine.__exit__(None, None, None)

    def execute(self, change: Change) -> None:
        self.engine.execute(change)

    def flush(self, now: datetime) -> None:
        self.engine.tick(now)

    def read(self, model: str) -> Result:
        return self.engine.read(model)


class Sources:
    """What the source tables hold, by a model of them in Python."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.models = {table.name: SourceModel(table) for table in tables}

    def execute(self, change: Change) -> None:
        source = self.models[change.table]
        match change:
            case Insert(_, values):
                source.insert(values)
            case Delete(_, column, value):
                source.delete(column, value)
            case Update(_, column, value, target, new):
                source.update(column, value, target, new)


class Batch(Closing):
    """DuckDB, which computes every deterministic model from scratch over rows that a model in Python keeps."""

    def __init__(self) -> None:
        deterministic = [model for model in MODELS if model.deterministic]
        self.models: Sequence[str] = [model.name for model in deterministic]
        self.duckdb = DuckdbOracle()
        self.sources = Sources(TABLES)
        for table in TABLES:
            self.duckdb.create_table(table.mirror_ddl)
        for model in deterministic:
            self.duckdb.create_view(model.name, model.sql)

    def close(self) -> None:
        self.duckdb.__exit__(None, None, None)

    def execute(self, change: Change) -> None:
        self.sources.execute(change)

    def flush(self, now: datetime) -> None:
        self.duckdb.set_now(now)
        for name, source in self.sources.models.items():
            self.duckdb.load(name, source.rows.values())

    def read(self, model: str) -> Result:
        return self.duckdb.read(model)


class RisingWave(Closing):
    """A RisingWave at a DSN, in a schema of its own; its now() is the wall clock, so a moment is waited for."""

    def __init__(
        self,
        dsn: str,
        tables: Iterable[Table],
        models: Sequence[str],
        statements: Callable[[str], Iterable[str]],
        late: float,
    ) -> None:
        """`statements` gives what makes tables and models in a schema; `late` is how many seconds a tick may be."""
        self.models = models
        self._tables = {table.name: table for table in tables}
        self._late = late
        self._schema = f"conformance_{secrets.token_hex(4)}"
        # Values are written into statements, as its extended protocol types fewer parameters than PostgreSQL's.
        self._connection = psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor)
        self._send(f"create schema {self._schema}")
        self._send(f"set search_path to {self._schema}")
        self._send("set timezone to 'UTC'")
        try:
            for statement in statements(self._schema):
                self._send(statement)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._send(f"drop schema {self._schema} cascade")
        self._connection.close()

    def execute(self, change: Change) -> None:
        if isinstance(change, Insert):
            self._send(insertion(change, self._tables[change.table]))
            return
        statement, values = as_sql(change)
        self._connection.execute(statement, values or None)

    def flush(self, now: datetime) -> None:
        time.sleep(max(0.0, (now - datetime.now(UTC)).total_seconds()))
        self._send("flush")
        late = (datetime.now(UTC) - now).total_seconds()
        assert late < self._late, (
            f"the server was {late:.0f} s behind the history, which allows for {self._late:.0f} s: its windows moved on"
        )

    def read(self, model: str) -> Result:
        return read(self._connection, model)

    def _send(self, statement: str) -> None:
        self._connection.execute(statement.encode())


def insertion(insert: Insert, table: Table) -> str:
    """An INSERT with every value as a constant of its column's type."""
    types = [column.type for column in table.columns]
    rows = [", ".join(map(literal, row, types)) for row in insert.rows]
    return f"insert into {table.name} values {', '.join(f'({row})' for row in rows)}"


def risingwave_dsn() -> str:
    """The server's connection string; skips the test without one."""
    dsn = os.environ.get(DSN)
    if not dsn:
        pytest.skip(
            f"{DSN} is not set: nothing is compared with a RisingWave server, only its statements are checked"
        )
    return dsn


def small_risingwave() -> RisingWave:
    """A RisingWave with the small history's tables and models."""
    link = os.environ.get(UDF_LINK)
    models = [model for model in MODELS if link or "shaky_v1" not in model.sql]
    declared = (
        "create function shaky_v1 (price double precision) returns double precision"
        f" as 'shaky_v1' using link '{link}'"
    )
    statements = [
        *(table.ddl for table in TABLES),
        *([declared] if link else []),
        *(
            f"create {'materialized view' if model.materialized else 'view'} {model.name} as {model.sql}"
            for model in models
        ),
    ]
    return RisingWave(risingwave_dsn(), TABLES, [model.name for model in models], lambda _: statements, LATE)
