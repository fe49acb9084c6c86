"""A connection to RisingWave through risingwave-py, and what goes wrong on it: away, or refused by the server."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import connection, parse_dsn

from millstream.errors import MillstreamError

if TYPE_CHECKING:
    from risingwave.core import RisingWaveConnection  # type: ignore[import-untyped]

CONNECT_SECONDS = 10
ALIVE: dict[str, Any] = {  # a server that vanished without a word is noticed within half a minute
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
CAUSE = re.compile(r"^ +\d+: (.+)$", re.M)


class Away(MillstreamError):
    """RisingWave does not answer, or the connection broke."""


class Denied(MillstreamError):
    """RisingWave answered a statement with an error; `reason` is its first cause."""

    def __init__(self, place: str, statement: str, reason: str) -> None:
        super().__init__(f"RisingWave at {place} refused `{' '.join(statement.split())}`: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class FetchedRows:
    """The rows of a statement and the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Link:
    """One session in autocommit (RisingWave has no transactions that write), its time zone UTC."""

    def __init__(self, dsn: str) -> None:
        self.place = place(dsn)
        with self.told(None):
            self.connection = open_connection(dsn)
        self.send("set timezone to 'UTC'")

    def send(self, statement: str) -> None:
        """Run a statement that has no rows. Raises Away or Denied."""
        with self.told(statement):
            self.connection.execute(plain(statement))

    def ask(self, query: str) -> FetchedRows:
        """Run a statement that has rows. Raises Away or Denied."""
        with self.told(query):
            rows = self.connection.fetch(plain(query))
        columns = tuple(rows[0]._fields) if rows else ()
        return FetchedRows(columns, tuple(tuple(row) for row in rows))

    def close(self) -> None:
        """End the session and its cursors."""
        with quiet():
            self.connection.close()

    @contextmanager
    def told(self, statement: str | None) -> Iterator[None]:
        """Turn the driver's errors into Away and Denied; without a statement this is connecting."""
        from sqlalchemy.exc import DBAPIError

        try:
            with quiet():
                yield
        except DBAPIError as error:
            found = reason(error.orig or error)
            if statement is None or error.connection_invalidated:
                raise Away(
                    f"RisingWave does not answer at {self.place}: {found}\n"
                    "  hint: start it (make up TARGET=risingwave), or set RISINGWAVE_HOST, RISINGWAVE_PORT, RISINGWAVE_USER, "
                    "RISINGWAVE_PASSWORD and RISINGWAVE_DATABASE"
                ) from error
            raise Denied(self.place, statement, found) from error


def open_connection(dsn: str) -> RisingWaveConnection:
    """Connect with risingwave-py over SQLAlchemy. Raises MillstreamError where a package is missing."""
    try:
        from risingwave.core import RisingWaveConnection
        from sqlalchemy import NullPool, create_engine
    except ImportError as error:
        raise MillstreamError(
            f"a subscription of RisingWave is read with risingwave-py, which cannot be imported: {error}\n"
            "  hint: pip install 'millstream[risingwave]'; the package `risingwave` has a module of the same name and "
            "must not be installed beside it"
        ) from error

    def connect() -> connection:
        made: connection = psycopg2.connect(
            dsn, connect_timeout=CONNECT_SECONDS, application_name="millstream watch", **ALIVE
        )
        made.autocommit = True  # here, because the dialect does not know SQLAlchemy's level AUTOCOMMIT
        return made

    engine = create_engine("risingwave+psycopg2://", creator=connect, poolclass=NullPool)
    return RisingWaveConnection(engine.connect(), None)  # the version matters to on_change alone


@contextmanager
def quiet() -> Iterator[None]:
    """Keep risingwave-py, which logs every error to the root logger, from saying what we say ourselves."""
    root = logging.getLogger()
    silent = logging.NullHandler()  # with a handler there, logging does not install one that prints
    root.addHandler(silent)
    root.addFilter(not_of_the_driver)
    try:
        yield
    finally:
        root.removeFilter(not_of_the_driver)
        root.removeHandler(silent)


def not_of_the_driver(record: logging.LogRecord) -> bool:
    """Whether a record is somebody else's."""
    return not record.msg.startswith("[risingwave]")


def plain(statement: str) -> str:
    """Text in which SQLAlchemy finds no parameters."""
    return statement.replace(":", r"\:")


def place(dsn: str) -> str:
    """Where a connection string leads, without its password."""
    found = parse_dsn(dsn)
    return f"{found.get('host', 'localhost')}:{found.get('port', 5432)}"


def reason(error: BaseException) -> str:
    """What went wrong, as one line: of RisingWave's list of causes the last, which is the first cause."""
    text = str(error).strip() or type(error).__name__
    causes = CAUSE.findall(text)
    return str(causes[-1]) if causes else text.splitlines()[0]


def as_value(value: Any) -> Any:
    """What psycopg2 read, as JSON has it: the same as the embedded engine's feed."""
    match value:
        case Decimal() if not value.is_finite():
            return str(value)
        case Decimal():
            exponent = value.as_tuple().exponent
            return float(value) if isinstance(exponent, int) and exponent < 0 else int(value)
        case float() if not math.isfinite(value):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat()
        case date() | time():
            return value.isoformat()
        case memoryview():
            return rf"\x{value.hex()}"
        case list():
            return [as_value(each) for each in value]
        case None | bool() | int() | float() | str() | dict():
            return value
    return str(value)
