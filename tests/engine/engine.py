"""An engine under test: deployed by SQL-like statements, written to by a client, and ticked by hand."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from millstream.engine import deploy
from millstream.engine.deploy import Deployed
from millstream.engine.tick.worker import Tick, Worker

START = datetime(2030, 1, 1, tzinfo=UTC)
NAME = r"(?:(?P<schema>\w+)\.)?(?P<name>\w+)"
TABLE = re.compile(rf"create table {NAME}\s*\(.*", re.DOTALL | re.IGNORECASE)
VIEW = re.compile(
    rf"create (?P<kept>materialized )?view {NAME} as\s+(?P<query>.*)", re.DOTALL | re.IGNORECASE
)
SINK = re.compile(rf"create sink {NAME} .*", re.DOTALL | re.IGNORECASE)
DROP = re.compile(rf"drop {NAME}(?P<cascade> cascade)?", re.IGNORECASE)


class Engine:
    """A database with the engine in it. `minute(n)` is n minutes after the first moment of every test."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._stack = ExitStack()
        self.owner = self._stack.enter_context(deploy.connect(dsn))
        self.client = self._stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self.client.execute("set timezone to 'UTC'")
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._stack.close()

    @property
    def worker(self) -> Worker:
        """The worker that `tick` uses."""
        if self._worker is None:
            self._worker = Worker(self.dsn)
        return self._worker

    def release(self) -> None:
        """Let go of the worker, so that another one can run."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def deploy(self, statement: str, **options: Any) -> Deployed:
        """Deploy one `create table|view|materialized view|sink`; options go to the deploy function."""
        statement = statement.strip()
        if found := VIEW.fullmatch(statement):
            options["materialized"] = found["kept"] is not None
            return deploy.deploy_view(
                self.owner, found["name"], found["query"], schema=found["schema"] or "public", **options
            )
        if found := SINK.fullmatch(statement):
            return deploy.deploy_sink(
                self.owner, found["name"], statement, schema=found["schema"] or "public", **options
            )
        if found := TABLE.fullmatch(statement):
            return deploy.deploy_table(
                self.owner, found["name"], statement, schema=found["schema"] or "public", **options
            )
        raise ValueError(f"this is nothing that can be deployed: {statement}")

    def deploy_all(self, *statements: str) -> None:
        """Deploy one after the other."""
        for statement in statements:
            self.deploy(statement)

    def deploy_python(
        self, file: Path, name: str, arguments: str, returns: str, code: str | None = None, **options: Any
    ) -> Deployed:
        """Write a Python file, if code is given, and deploy its function; `arguments` as `name type; name type`."""
        if code is not None:
            file.parent.mkdir(exist_ok=True)
            file.write_text(code)
        pairs = [(part.split(None, 1)[0], part.split(None, 1)[1]) for part in arguments.split(";")]
        return deploy.deploy_function(
            self.owner, name, pairs, returns, module=str(file), entry=name, **options
        )

    def drop(self, name: str, **options: Any) -> None:
        deploy.drop(self.owner, name, **options)

    def execute(self, statement: str, parameters: Any = None) -> psycopg.Cursor[Any]:
        """Run a statement as a client, in a transaction of its own."""
        return self.client.execute(statement.encode(), parameters)

    def tick(self, now: datetime | None = None) -> Tick:
        return self.worker.tick(now)

    def write(self, *statements: str, now: datetime | None = None) -> Tick:
        """Run statements as a client, then one tick."""
        for statement in statements:
            self.execute(statement)
        return self.tick(now)

    def settle(self) -> None:
        """Tick until nothing waits: one tick takes no more than its batch."""
        while self.tick().rows:
            pass

    def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a query, sorted where it says so itself."""
        return self.execute(query, parameters).fetchall()

    def value(self, query: str, parameters: Any = None) -> Any:
        """The one value of a query."""
        ((value,),) = self.rows(query, parameters)
        return value

    def all(self, relation: str) -> list[tuple[Any, ...]]:
        """Every row of a relation, sorted; NULLs come last."""
        return sorted(
            self.rows(f"select * from {relation}"), key=lambda row: [(value is None, value) for value in row]
        )

    def states(self) -> list[str]:
        """The names of everything stored, versions included."""
        return [row[0] for row in self.rows("select name from millstream.state order by name")]

    def stored_tables(self) -> set[str]:
        """The tables that really exist in the data schema."""
        return {
            row[0]
            for row in self.rows(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'millstream_data'::regnamespace"
            )
        }


def minute(number: float) -> datetime:
    """A moment, minutes after the start."""
    return START + timedelta(minutes=number)
