"""The engines that a history runs on, behind one interface."""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import psycopg

from tests.conformance.history import MODELS, TABLES, Model
from tests.equivalence.cases import Change, Delete, Insert, Update
from tests.equivalence.engine import Engine, as_sql
from tests.equivalence.oracles import DuckdbOracle
from tests.equivalence.source_model import SourceModel

UDF_LINK = "RISINGWAVE_UDF_LINK"
"""Address, as RisingWave sees it, of a server of `shaky_v1`."""


class Target(Protocol):
    """One engine with the sources and models of the history."""

    models: tuple[Model, ...]

    def execute(self, change: Change) -> None:
        """Run one statement."""
        ...

    def flush(self, now: datetime) -> None:
        """Let everything before be visible, at a moment."""
        ...

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        """The rows of a model."""
        ...


class Embedded:
    """The embedded engine; a FLUSH is a tick at that moment."""

    def __init__(self, dsn: str) -> None:
        self.models = MODELS
        self._engine = Engine(dsn)
        for table in TABLES:
            self._engine.create_table(table)
        here = Path(__file__).with_name("shaky_v1.py")
        self._engine.deploy_function("shaky_v1", [("price", "double precision")], "double precision", here)
        for model in MODELS:
            self._engine.deploy_view(model.name, model.sql, materialized=model.materialized)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, trace)

    def execute(self, change: Change) -> None:
        self._engine.execute(change)

    def flush(self, now: datetime) -> None:
        self._engine.tick(now)

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        return self._engine.read(model).rows


class Batch:
    """DuckDB, which computes every deterministic model from scratch over rows that a model in Python keeps."""

    def __init__(self) -> None:
        self.models = tuple(model for model in MODELS if model.deterministic)
        self._duckdb = DuckdbOracle()
        self._sources = {table.name: SourceModel(table) for table in TABLES}
        for table in TABLES:
            self._duckdb.create_table(table.mirror_ddl)
        for model in self.models:
            self._duckdb.create_view(model.name, model.sql)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._duckdb.__exit__(kind, error, trace)

    def execute(self, change: Change) -> None:
        source = self._sources[change.table]
        match change:
            case Insert(_, rows):
                source.insert(rows)
            case Delete(_, column, value):
                source.delete(column, value)
            case Update(_, column, value, target, new):
                source.update(column, value, target, new)

    def flush(self, now: datetime) -> None:
        self._duckdb.set_now(now)
        for name, source in self._sources.items():
            source.tick()
            self._duckdb.load(name, source.rows.values())

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        return self._duckdb.read(model).rows


class RisingWave:
    """A RisingWave at a DSN, in a schema of its own; its now() is the wall clock, so a moment is waited for."""

    def __init__(self, dsn: str) -> None:
        link = os.environ.get(UDF_LINK)
        self.models = tuple(model for model in MODELS if link or "shaky_v1" not in model.sql)
        self._schema = f"conformance_{secrets.token_hex(4)}"
        # Values are written into statements, as its extended protocol types fewer parameters than PostgreSQL's.
        self._connection = psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor)
        self._send(f"create schema {self._schema}")
        self._send(f"set search_path to {self._schema}")
        self._send("set timezone to 'UTC'")
        for table in TABLES:
            self._send(table.ddl)
        if link:
            self._send(
                "create function shaky_v1 (price double precision) returns double precision"
                f" as 'shaky_v1' using link '{link}'"
            )
        for model in self.models:
            kind = "materialized view" if model.materialized else "view"
            self._send(f"create {kind} {model.name} as {model.sql}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send(f"drop schema {self._schema} cascade")
        self._connection.close()

    def execute(self, change: Change) -> None:
        statement, values = as_sql(change)
        self._connection.execute(statement, values or None)

    def flush(self, now: datetime) -> None:
        time.sleep(max(0.0, (now - datetime.now(UTC)).total_seconds()))
        self._send("flush")

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"select * from {model}".encode()).fetchall()

    def _send(self, statement: str) -> None:
        self._connection.execute(statement.encode())
