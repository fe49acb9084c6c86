"""Databases for tests: made empty or from a template, dropped when done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

SCHEMAS = """
select nspname from pg_namespace where nspname not like 'pg\\_%' and nspname <> 'information_schema'
"""


SESSIONS = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = %s and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


class Databases:
    """Makes and drops databases on one server. Names carry the process id, so sessions may share a server."""

    def __init__(self, admin_dsn: str) -> None:
        self._admin_dsn = admin_dsn
        self._connection = psycopg.connect(admin_dsn, autocommit=True)
        self._numbers = count()
        self._made: set[str] = set()
        self._idle: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in sorted(self._made):
            self.drop(name)
        self._connection.close()

    def dsn(self, name: str) -> str:
        """Connection string of the server's superuser for a database."""
        return make_conninfo(self._admin_dsn, dbname=name)

    def create(self, template: str = "template0") -> str:
        """Make a database and return its name; nobody may be connected to the template."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        statement = sql.SQL("create database {} template {}")
        self._connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        self._made.add(name)
        return name

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Connection string of an empty database, for the length of the block.

        The database is emptied and used again, which takes a fraction of the time that making one does.
        """
        name = self._idle.pop() if self._idle else self.create()
        try:
            yield self.dsn(name)
        finally:
            self._empty(name)
            self._idle.append(name)

    def _empty(self, name: str) -> None:
        """End the sessions in a database and drop what is in it."""
        with psycopg.connect(self.dsn(name), autocommit=True) as connection:
            connection.execute(SESSIONS, [name])
            for (schema,) in connection.execute(SCHEMAS).fetchall():
                connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
            connection.execute("create schema public")

    def drop(self, name: str) -> None:
        """Drop a database, ending the sessions in it."""
        self._connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
        self._made.discard(name)
