"""dbt's own connections (psycopg 2), used for queries, hooks, grants and comments; never for deployment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from typing import Any

import psycopg2
import psycopg2.extensions
from dbt.adapters.contracts.connection import AdapterRequiredConfig, Connection, ConnectionState
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt_common.exceptions import DbtDatabaseError, DbtRuntimeError

from dbt.adapters.millstream.credentials import MillstreamCredentials

NO_RELATION = re.compile(r'relation "([^"]+)" does not exist')


class MillstreamConnectionManager(PostgresConnectionManager):
    """dbt-postgres's connections, opened where the Millstream server is.

    They are in autocommit mode: a transaction exists only between dbt's own BEGIN and COMMIT. Otherwise a finished
    query would keep a lock on a view until its thread ends, and the deployment that swaps that view would wait for it.
    """

    TYPE = "millstream"

    def __init__(self, profile: AdapterRequiredConfig, mp_context: SpawnContext) -> None:
        super().__init__(profile, mp_context)
        credentials = profile.credentials
        if isinstance(credentials, MillstreamCredentials) and credentials.project_root is None:
            credentials.project_root = getattr(profile, "project_root", None)

    @classmethod
    def get_credentials(cls, credentials: MillstreamCredentials) -> MillstreamCredentials:
        return credentials.located()

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        if connection.state == ConnectionState.OPEN:
            return connection
        try:
            connection = super().open(connection)  # type: ignore[no-untyped-call]
        except FailedToConnectError as error:
            raise FailedToConnectError(
                f"{str(error).strip()}\nIs the Millstream server up? Start it with `millstream up`."
            ) from error
        connection.handle.autocommit = True
        with connection.handle.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
        return connection

    @contextmanager
    def exception_handler(self, sql: str) -> Iterator[None]:
        """Tell what PostgreSQL says of a query of dbt's own, and which command of dbt deploys what it reads in vain."""
        try:
            with super().exception_handler(sql):
                yield
        except DbtDatabaseError as error:
            lacking = NO_RELATION.search(str(error.msg))
            if lacking is None:
                raise
            name = lacking[1].rpartition(".")[2]
            raise DbtDatabaseError(
                f"{error.msg}\n  hint: deploy it first (dbt run --select +{name}), or correct the name"
            ) from error

    @classmethod
    def _rollback_handle(cls, connection: Connection) -> None:
        handle = connection.handle
        try:
            if handle.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
                with handle.cursor() as cursor:
                    cursor.execute("rollback")
        except psycopg2.Error:
            # A connection that is already lost has nothing to roll back; the server has done it.
            handle.close()

    def end_transaction(self) -> None:
        """Commit this thread's transaction if dbt has one open, so that a deployment does not wait for its locks."""
        connection = self.get_if_exists()
        if connection is not None and connection.transaction_open:
            self.commit()

    def call_flush(self, timeout: int) -> None:
        """Wait until every view shows what has been committed so far; at most `timeout` seconds.

        Raises DbtRuntimeError when they do not in that time, most likely because the worker is stopped.
        """
        self.end_transaction()
        handle: Any = self.get_thread_connection().handle
        with handle.cursor() as cursor:
            try:
                cursor.execute("call millstream.flush(%s::interval)", (f"{timeout} seconds",))
            except psycopg2.errors.RaiseException as error:
                hint = f"\n  hint: {error.diag.message_hint}" if error.diag.message_hint else ""
                raise DbtRuntimeError(f"{error.diag.message_primary}{hint}") from error
