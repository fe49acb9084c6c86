"""Where the server is and who connects: from `server.json` in the home directory, a DSN, or the profile."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from dbt.adapters.postgres.connections import PostgresCredentials
from dbt_common.exceptions import DbtRuntimeError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from millstream.server import DATABASE, ROLES, ServerError, connect

DEFAULT_HOME = ".millstream"


@dataclass
class MillstreamCredentials(PostgresCredentials):
    """A profile target of `type: millstream`; every field has a default.

    The server is looked for in this order: `host` in the profile (a server of one's own), the environment variable
    MILLSTREAM_DSN, then the server that `millstream up` started in `home`. A relative `home` is relative to the dbt
    project. Nothing is read before the first connection, so `dbt parse` works without a server; only the database's
    name is taken from MILLSTREAM_DSN at once, because dbt writes it into relation names.
    """

    database: str = ""
    schema: str = "public"
    host: str | None = None  # type: ignore[assignment]
    user: str = ROLES["owner"]
    port: int | None = None  # type: ignore[assignment]
    password: str | None = None  # type: ignore[assignment]
    home: str | None = None
    flush_timeout: int = 60
    """Seconds that `dbt seed` and `dbt test` wait for the worker to show earlier writes."""
    lock_timeout: int = 60
    """Seconds that a deployment waits for readers of the view that it swaps, a tick, or another deployment."""
    project_root: str | None = None

    def __post_init__(self) -> None:
        if not self.database:
            dsn = None if self.host else os.environ.get("MILLSTREAM_DSN")
            self.database = _dsn_parts(dsn).get("dbname", DATABASE) if dsn else DATABASE

    @property
    def type(self) -> str:
        return "millstream"

    @property
    def unique_field(self) -> str:
        return self.host or str(self.home_directory())

    def _connection_keys(self) -> tuple[str, ...]:
        return (
            "home",
            "host",
            "port",
            "user",
            "database",
            "schema",
            "connect_timeout",
            "role",
            "search_path",
            "keepalives_idle",
            "sslmode",
            "application_name",
            "retries",
            "flush_timeout",
            "lock_timeout",
        )

    def home_directory(self) -> Path:
        """The home directory: the profile's `home`, else MILLSTREAM_HOME, else `.millstream` in the project."""
        home = Path(self.home or os.environ.get("MILLSTREAM_HOME") or DEFAULT_HOME).expanduser()
        return home if home.is_absolute() else Path(self.project_root or Path.cwd()) / home

    def located(self) -> MillstreamCredentials:
        """The same credentials with host, port, user and password filled in.

        Raises DbtRuntimeError, naming `millstream up`, when no server has been started in the home directory.
        """
        if self.host:
            return replace(self, port=self.port or 5432)
        try:
            server = connect(self.home_directory())
        except ServerError as error:
            raise DbtRuntimeError(
                f"{error}\nAnother server is named by MILLSTREAM_DSN, or by host, port, user and password in profiles.yml."
            ) from error
        parts = _dsn_parts(server.dsn("owner"))
        return replace(
            self,
            host=parts.get("host", "localhost"),
            port=int(parts.get("port", 5432)),
            user=parts.get("user", self.user),
            password=parts.get("password"),
            sslmode=parts.get("sslmode", self.sslmode),
        )

    def dsn(self, **options: Any) -> str:
        """The libpq connection string of located credentials; `options` are further libpq keywords."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.database,
            sslmode=self.sslmode,
            sslcert=self.sslcert,
            sslkey=self.sslkey,
            sslrootcert=self.sslrootcert,
            connect_timeout=self.connect_timeout,
            application_name=self.application_name,
            **options,
        )


def _dsn_parts(dsn: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise DbtRuntimeError(f"MILLSTREAM_DSN is not a PostgreSQL connection string: {error}") from error
