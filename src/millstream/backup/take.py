"""Take a backup of a home while it is in use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from millstream import server
from millstream.backup.archive import (
    BLOCK,
    DUMP,
    HOME,
    ROLES_SCRIPT,
    ArchiveWriter,
    Manifest,
    clear_unfinished,
    writing,
)
from millstream.backup.files import travelling
from millstream.backup.programs import programs_of, read_from
from millstream.engine.state.locks import place_of_deployments
from millstream.errors import MillstreamError
from millstream.server import DATABASE, Binaries, Home, Server

Tell = Callable[[str], None]

TABLES = """
select count(*) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
"""
LOCK_WAIT = "60s"
NAME = "millstream-{}.backup"


@dataclass(frozen=True)
class Taken:
    """A backup that was made: where, how long it is, and what it holds."""

    file: Path
    bytes: int
    manifest: Manifest


class Progress:
    """Counts the tables and bytes of a dump, and says them."""

    def __init__(self, tables: int, tell: Tell) -> None:
        self._tables = tables
        self._tell = tell
        self._done = 0
        self._bytes = 0

    def hear(self, line: str) -> None:
        """A line of pg_dump's standard error."""
        if "dumping contents of table" in line:
            self._done += 1
            self._say()

    def advance(self, length: int) -> None:
        """So many bytes were written."""
        self._bytes += length
        self._say()

    def _say(self) -> None:
        self._tell(f"{self._done} of {self._tables} tables, {self._bytes / 1e6:,.0f} MB written")


def take(home: Home, target: Path, tell: Tell) -> Taken:
    """Write a backup of `home` to `target`: a file that does not exist, or a folder, in which it gets a name.

    The database is read in one snapshot while writes and ticks go on; deployments wait. What was acknowledged before
    the snapshot is in it, whole. A home that is down is started for the time of it. `tell` hears lines of progress.
    Raises MillstreamError; then there is no file.
    """
    refuse_external("backup")
    if not home.data.exists():
        raise MillstreamError(
            f"there is no home in {home.path}\n  hint: name it with --home, or MILLSTREAM_HOME"
        )
    made_at = datetime.now(UTC)
    path = target
    if target.is_dir():
        clear_unfinished(target, NAME.format("*"))
        path = target / NAME.format(f"{made_at:%Y%m%dT%H%M%SZ}")
    with writing(path) as writer, server.open(home.path) as running:
        manifest = _fill(writer, home, running, made_at, tell)
        writer.close(manifest)
    return Taken(path, path.stat().st_size, manifest)


def refuse_external(doing: str) -> None:
    """Raise MillstreamError where `MILLSTREAM_DSN` names a server of the user's own."""
    if os.environ.get("MILLSTREAM_DSN"):
        raise MillstreamError(
            f"{doing} is for the embedded server, and MILLSTREAM_DSN names one of your own\n"
            "  hint: back that up as you do its other databases (pg_dump, pg_basebackup), and keep the home directory "
            "with it; or unset MILLSTREAM_DSN"
        )


def _fill(writer: ArchiveWriter, home: Home, running: Server, made_at: datetime, tell: Tell) -> Manifest:
    binaries = programs_of(running)
    with psycopg.connect(running.dsn("owner"), autocommit=True) as conn:
        manifest = _manifest(conn, binaries, made_at)
        progress = Progress(manifest.tables, tell)
        # A deployment would wait for the dump with locks that readers need, so it waits before it takes any.
        with place_of_deployments(conn, tell):
            dump = [
                binaries.path("pg_dump"),
                "--format=custom",
                "--compress=gzip:1",
                "--statistics",
                "--verbose",
            ]
            dump.append(f"--lock-wait-timeout={LOCK_WAIT}")
            writer.add(
                DUMP, read_from(dump, running.dsn("owner"), DATABASE, progress.hear), advance=progress.advance
            )
        roles = [binaries.path("pg_dumpall"), "--roles-only"]
        writer.add(ROLES_SCRIPT, read_from(roles, running.dsn("owner"), DATABASE))
    # After the database: what a row names (a version of the embeddings) was complete before the row was written.
    for name, file in travelling(home):
        writer.add(HOME + name, _blocks(file), file.stat().st_mode & 0o777, progress.advance)
    return manifest


def _manifest(conn: psycopg.Connection, binaries: Binaries, made_at: datetime) -> Manifest:
    catalogue, tick = None, None
    if _value(conn, "select to_regclass('millstream.setting') is not null"):
        catalogue = str(_value(conn, "select value from millstream.setting where name = 'version'"))
        tick = int(str(_value(conn, "select tick from millstream.clock")))
    return Manifest(
        made_at=made_at.isoformat(timespec="seconds"),
        millstream=version("millstream"),
        postgresql=binaries.version,
        catalogue=catalogue,
        tick=tick,
        tables=int(str(_value(conn, TABLES))),
    )


def _value(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
