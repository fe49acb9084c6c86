"""Which files of a home travel in a backup: all of them, but for what the database's dump brings and what lives for a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from millstream.server import Home

LEFT_OUT = {"data", "logs", "lock", "supervisor.lock", "supervisor.json"}
# Folders of a making that was cut off, copies of PostgreSQL's programs, files that are being written.
LEFT_OUT_BEGINNINGS = ("initdb.", "postgresql-")
LEFT_OUT_ENDINGS = (".new", ".part")
# In the data directory: the operator's own settings. The other files there are PostgreSQL's, or written at every start.
SETTINGS = ("data/local.conf", "data/postgresql.auto.conf")


def travelling(home: Home) -> Iterator[tuple[str, Path]]:
    """The files that a backup of the home needs, as (path in the home, path), in order.

    A rule and not a list: a file that a later release keeps in the home travels without being named here.
    """
    for entry in sorted(home.path.iterdir()):
        if entry.name in LEFT_OUT or entry.name.startswith(LEFT_OUT_BEGINNINGS):
            continue
        for path in [entry] if entry.is_file() else sorted(entry.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith(LEFT_OUT_ENDINGS):
                yield path.relative_to(home.path).as_posix(), path
    for name in SETTINGS:
        if (home.path / name).is_file():
            yield name, home.path / name
