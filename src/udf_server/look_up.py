"""Rows that functions look up themselves, by key: a module that has `LOOKED_UP` is given a `look_up`.

    LOOKED_UP = {"items": ("item_id", ("category", "brand"))}    a relation: its key, and the columns that are read by it
    look_up("items", ["a", "b"])                                 {"a": ("cake", "north")}: b is not there

A row is asked for once and then kept; all that are kept are read again every so many seconds. While the database does
not answer, a call goes on with what is kept: RisingWave gives up on a call after 5 seconds.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from threading import Event, Lock, Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

from udf_server.errors import FunctionServerError
from udf_server.observed import Metrics

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("udf_server")

Row = tuple[Any, ...]
Declared = Mapping[str, tuple[str, tuple[str, ...]]]

SECONDS_TO_CONNECT, MILLISECONDS_TO_ANSWER = 1, 1000
SECONDS_AFTER_FAILURE = 10.0
SLICE = 10_000  # keys of one query


class LookUp:
    """Serves what functions look up from one database, and reads it again in a thread of its own until `close`."""

    def __init__(self, dsn: str, modules: Iterable[ModuleType], metrics: Metrics, every: float) -> None:
        """Give the modules their `look_up`. Raises FunctionServerError where psycopg is missing."""
        try:
            import psycopg  # noqa: F401 - the container that looks nothing up needs none of it
        except ModuleNotFoundError as error:
            raise FunctionServerError(
                "--dsn needs the package psycopg: pip install 'psycopg[binary]'"
            ) from error
        self._dsn = dsn
        self._metrics = metrics
        self._every = every
        self._kept: dict[tuple[str, str, tuple[str, ...]], dict[str, Row | None]] = {}
        self._connection: psycopg.Connection | None = None
        self._lock = Lock()
        self._failed_at = -math.inf
        self._closing = Event()
        for module in looking_up(modules):
            module.look_up = partial(self.look_up, module.LOOKED_UP)  # type: ignore[attr-defined]
        self._thread = Thread(target=self._run, name="look-up", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def look_up(self, declared: Declared, relation: str, keys: Collection[str]) -> dict[str, Row]:
        """The columns of the relation's rows with these keys, by key; those that are not known yet are read."""
        key, columns = declared[relation]
        kept = self._kept.setdefault((relation, key, columns), {})
        unknown = [each for each in keys if each not in kept]
        if unknown:
            kept.update(self._read(relation, key, columns, unknown))
        return {each: row for each in keys if (row := kept.get(each)) is not None}

    def refresh(self) -> None:
        """Read all that is kept again."""
        for (relation, key, columns), kept in list(self._kept.items()):
            known = list(kept)
            for start in range(0, len(known), SLICE):
                kept.update(self._read(relation, key, columns, known[start : start + SLICE]))

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            self.refresh()

    def _read(
        self, relation: str, key: str, columns: tuple[str, ...], wanted: list[str]
    ) -> dict[str, Row | None]:
        """Read rows by key, None for those that are not there; nothing where the database does not answer."""
        import psycopg
        from psycopg import sql

        query = sql.SQL("select {} from {} where {} = any(%s)").format(
            sql.SQL(", ").join(map(sql.Identifier, (key, *columns))),
            sql.Identifier(relation),
            sql.Identifier(key),
        )
        with self._lock:
            if time.monotonic() - self._failed_at < SECONDS_AFTER_FAILURE:
                return {}
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._dsn, autocommit=True, connect_timeout=SECONDS_TO_CONNECT
                    )
                    self._connection.execute(f"set statement_timeout = {MILLISECONDS_TO_ANSWER}".encode())
                rows = self._connection.execute(query, [wanted]).fetchall()
            except psycopg.Error as error:
                self._failed_at = time.monotonic()
                self._metrics.look_up_failures.inc()
                log.warning(
                    "%s cannot be read, and calls go on without: %s (tried again in %.0f s)",
                    relation, " ".join(str(error).split()), SECONDS_AFTER_FAILURE,
                )  # fmt: skip
                return {}
        return dict.fromkeys(wanted) | {row[0]: tuple(row[1:]) for row in rows}


def looking_up(modules: Iterable[ModuleType]) -> list[ModuleType]:
    """The modules that look something up."""
    return [module for module in dict.fromkeys(modules) if hasattr(module, "LOOKED_UP")]
