"""The engine under test, driven through its public interface: deploy, statements on source relations, ticks, reads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, LiteralString, Self
from unittest.mock import patch

import psycopg
from psycopg import sql

from millstream.engine import deploy
from millstream.engine.deploy import amounts
from millstream.engine.deploy.beside import Steps
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.state.composites import register_composites
from millstream.engine.tick.worker import Worker
from tests.equivalence.act_cases import ActView
from tests.equivalence.cases import Change, Delete, Insert, Update, View
from tests.equivalence.delta_watch import DeltaWatch
from tests.equivalence.lenient import as_operations
from tests.equivalence.naming import Spelling
from tests.equivalence.oracles import Result, read
from tests.equivalence.schema import Table


class Engine:
    """A database with the engine in it, one worker, and one client that writes and reads."""

    def __init__(
        self, dsn: str, *, faults: bool = False, watched: bool = False, spelling: Spelling | None = None
    ) -> None:
        """Open it. `faults`: statements of a tick call millstream.fault; `watched`: changes are checked (DeltaWatch).

        Tables, views and columns of a case are given by the oracles' names, and called as its spelling says.
        """
        self.dsn = dsn
        self.spelling = spelling or Spelling()
        self._stack = ExitStack()
        self._deployer = self._stack.enter_context(deploy.connect(dsn))
        self._client = self._stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self._client.execute("set timezone to 'UTC'")
        self.worker = Worker(dsn, clock="event", faults=faults)
        self._watch = DeltaWatch(self.worker) if watched else None
        if self._watch is not None:
            self.worker.conn = self._watch  # type: ignore[assignment]

    @property
    def change_errors(self) -> list[str]:
        """What the watch found so far."""
        return self._watch.errors if self._watch is not None else []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.worker.close()
        self._stack.close()

    def create_table(self, table: Table) -> None:
        schema, name = self.spelling.relation(table.name)
        deploy.deploy_table(self._deployer, name, self.spelling.text(table.ddl), schema=schema)

    def create_view(self, view: View | ActView) -> None:
        schema, name = self.spelling.relation(view.name)
        text = self.spelling.text(as_operations(view.sql))
        deploy.deploy_view(self._deployer, name, text, schema=schema, materialized=view.materialized)

    def building(self, view: View | ActView) -> Steps:
        """Build a view beside what runs, step by step, however little it reads."""
        schema, name = self.spelling.relation(view.name)
        text = self.spelling.text(as_operations(view.sql))
        steps = deploy.deploying_view(self._deployer, name, text, schema=schema, force=True)
        while True:
            with patch.object(amounts, "AT_ONCE", -1):
                try:
                    done = next(steps)
                except StopIteration as end:
                    deployed: Deployed = end.value
                    return deployed
            yield done

    def view_of(self, version: str) -> tuple[str, str]:
        """The schema and name of the view that a stored version is of."""
        query = "select schema_name, relation_name from millstream.state where name = %s"
        row = self._client.execute(query, [version]).fetchone()
        assert row is not None
        return row

    def restart_worker(self, *, faults: bool = False) -> None:
        """Replace the worker by a new one, as after a crash."""
        self.worker.close()
        self.worker = Worker(self.dsn, clock="event", faults=faults)

    def deploy_table(self, name: str, ddl: str) -> None:
        deploy.deploy_table(self._deployer, name, ddl)

    def deploy_view(self, name: str, text: str, *, materialized: bool = True) -> None:
        deploy.deploy_view(self._deployer, name, text, materialized=materialized)

    def deploy_function(
        self, name: str, arguments: Sequence[tuple[str, str]], returns: str, module: Path
    ) -> None:
        """Register a Python function; `module` is the file that has it, under the same name."""
        deploy.deploy_function(self._deployer, name, arguments, returns, module=str(module), entry=name)

    def drop(self, name: str, *, cascade: bool = False) -> None:
        schema, name = self.spelling.relation(name)
        deploy.drop(self._deployer, name, schema=schema, cascade=cascade)

    def execute(self, change: Change) -> None:
        """Run one statement, which is a transaction of its own."""
        statement, values = as_sql(change, self.spelling)
        self._client.execute(statement, values or None)

    def write(self, statement: LiteralString, values: Sequence[Any] = ()) -> None:
        """Run one hand-written statement."""
        self._client.execute(statement, values or None)

    def tick(self, now: datetime) -> None:
        self.worker.tick(now)

    def read(self, relation: str) -> Result:
        return read(self._client, self.spelling.qualified(relation))

    def read_structs(self, relation: str) -> None:
        """From now on, read the structs of a relation as dicts of their fields."""
        described = self._client.execute(f"select * from {relation} limit 0".encode()).description or ()
        register_composites(self._client, [column.type_code for column in described])

    def query_at(self, now: datetime, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement in which the engine's now() is the given one."""
        with self._client.transaction():
            self._client.execute("select set_config('millstream.now', %s, true)", [now.isoformat()])
            return self.query(statement)

    def exists(self, relation: str) -> bool:
        """Tell whether a relation of that name is deployed."""
        return self.query_one("select to_regclass(%s) is not null", [self.spelling.qualified(relation)])

    def query_one(self, statement: str, values: Sequence[Any]) -> Any:
        """The only value of a statement that returns one row of one column."""
        row = self._client.execute(statement, values).fetchone()
        assert row is not None
        return row[0]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._client.execute(statement).fetchall()


def as_sql(change: Change, spelling: Spelling) -> tuple[sql.Composable, list[Any]]:
    """The statement and its parameters."""

    def identifier(*names: str) -> sql.Composable:
        escaped = (name.replace("%", "%%") if values else name for name in names)
        return sql.Identifier(*escaped)

    values = isinstance(change, Insert | Update) or change.value is not None
    table = identifier(*spelling.relation(change.table))
    if isinstance(change, Insert):
        one = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(change.rows[0])))
        rows = sql.SQL(", ").join([one] * len(change.rows))
        return sql.SQL("insert into {} values {}").format(table, rows), [
            v for row in change.rows for v in row
        ]
    if change.column is None:
        where, wanted = sql.SQL(""), []
    elif change.value is None:
        where, wanted = sql.SQL(" where {} is null").format(identifier(spelling.column(change.column))), []
    else:
        where, wanted = (
            sql.SQL(" where {} = %s").format(identifier(spelling.column(change.column))),
            [change.value],
        )
    if isinstance(change, Delete):
        return sql.SQL("delete from {}{}").format(table, where), wanted
    target = identifier(spelling.column(change.target))
    return sql.SQL("update {} set {} = %s{}").format(table, target, where), [change.new, *wanted]
