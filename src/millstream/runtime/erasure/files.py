"""Remove ids from the files of a home: PostgreSQL keeps the bytes of deleted rows in free space until they are overwritten."""

from __future__ import annotations

import mmap
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from millstream.runtime.erasure.traces import renew_statistics

DISTINCT = (
    6  # an id of so many bytes is looked for wherever it stands, a shorter one only as a value of its own
)
WAL = "pg_wal"
PATIENCE = "10s"  # how long a relation's readers and writers are waited for before it is rewritten
POLL_SECONDS = 0.05
TIMES = 3  # a relation is rewritten so often at most
OLDER = """
select 1 from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start < %s and backend_xmin is not null
limit 1
"""


def patterns(ids: Iterable[str]) -> re.Pattern[bytes]:
    """What to look for: an id as it is; one that is too short to be told apart as a stored text or as JSON has it."""
    wanted: set[bytes] = set()
    for each in ids:
        text = each.encode()
        if len(text) >= DISTINCT:
            wanted.add(text)
        else:
            header = bytes([(len(text) + 1) << 1 | 1])
            wanted |= {header + text, (len(text) + 4 << 2).to_bytes(4, "little") + text, b'"' + text + b'"'}
    return re.compile(b"|".join(map(re.escape, sorted(wanted))))


def mentions(path: Path, wanted: re.Pattern[bytes]) -> bool:
    """Whether a file has what is looked for; one that is gone meanwhile has not."""
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return wanted.search(content) is not None
    except (FileNotFoundError, ValueError):
        return False


def files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, also while files come and go."""
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent) / name


def search(folder: Path, ids: Iterable[str]) -> list[Path]:
    """The files below a folder that have one of the ids in their bytes, in order."""
    wanted = patterns(ids)
    return sorted(path for path in files(folder) if path.is_file() and mentions(path, wanted))


@dataclass(frozen=True)
class Cleaned:
    """What was done to the files, and those that still have something, by folder of the home."""

    rewritten: tuple[str, ...]
    scrubbed: tuple[str, ...]
    remains: tuple[Path, ...]


def clean(conn: psycopg.Connection, home: Path, ids: list[str], seconds: float = 60.0) -> Cleaned:
    """Rewrite the relations whose files have an id, until none has; overwrite ids in logs.

    `conn` is the owner's, in autocommit. A relation that is rewritten is locked meanwhile, and keeps the rows that a
    transaction of before may still see: such ones are waited for, for `seconds` at most. The write-ahead log is left.
    """
    deadline = time.monotonic() + seconds
    rewritten: Counter[str] = Counter()
    conn.execute("select set_config('lock_timeout', %s, false)", [PATIENCE])
    while True:
        await_older(conn, deadline)
        renew_statistics(conn, ids)  # again: an ANALYZE of before may have ended since
        conn.execute("checkpoint")
        often = {name for name, times in rewritten.items() if times == TIMES}
        done = rewrite(conn, search(home / "data" / "base", ids), often)
        rewritten.update(done)
        if not done or time.monotonic() > deadline:
            break
    scrubbed = [path for path in search(home / "logs", ids) if scrub(path, ids)]
    conn.execute("checkpoint")
    return Cleaned(tuple(sorted(rewritten)), tuple(path.name for path in scrubbed), tuple(search(home, ids)))


def await_older(conn: psycopg.Connection, deadline: float) -> None:
    """Wait for the transactions of this database that began before this moment and may see what was deleted."""
    row = conn.execute("select clock_timestamp()").fetchone()
    while time.monotonic() < deadline and conn.execute(OLDER, row).fetchone() is not None:
        time.sleep(POLL_SECONDS)


def relation_of(conn: psycopg.Connection, path: Path) -> str | None:
    """The relation that a file of the data directory belongs to."""
    name = path.name.split(".")[0]
    if not name.isdigit():
        return None
    row = conn.execute("select pg_filenode_relation(0, %s)::regclass::text", [int(name)]).fetchone()
    return row[0] if row is not None else None


# The table of a file's relation (that of a TOAST table or an index is the one that brings it along), and the index if it
# can be rewritten by itself.
RELATIONS = """
select distinct format('%%I.%%I', n.nspname, t.relname), case when c.relkind = 'i' and n.nspname <> 'pg_catalog'
    and h.relkind = 'r' then c.oid::regclass::text end
from unnest(%s::oid[]) as f (number)
join pg_class as c on c.oid = pg_filenode_relation(0, f.number)
left join pg_index as x on x.indexrelid = c.oid
join pg_class as h on h.oid = coalesce(x.indrelid, c.oid)
join pg_class as t on t.oid = case when h.relkind = 't' then (select p.oid from pg_class as p where p.reltoastrelid = h.oid)
    else h.oid end
join pg_namespace as n on n.oid = t.relnamespace
"""


def rewrite(conn: psycopg.Connection, found: Iterable[Path], often: Collection[str]) -> list[str]:
    """Rewrite the relations that these files belong to; returns their names.

    One that is in use for long is left, and one that was rewritten often: its rows of now have the text.
    """
    numbers = {int(path.name.split(".")[0]) for path in found if re.fullmatch(r"\d+(\.\d+)?", path.name)}
    rows = conn.execute(RELATIONS, [sorted(numbers)]).fetchall()
    tables = {table for table, index in rows if index is None}
    indexes = {index for table, index in rows if index is not None and table not in tables}
    done = []
    for verb, names in (("vacuum full", tables), ("reindex index", indexes)):
        for name in sorted(names):
            if name.replace('"', "") in often:
                continue
            try:
                conn.execute(f"{verb} {name}".encode())
            except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
                continue
            done.append(name.replace('"', ""))
    return done


def scrub(path: Path, ids: Iterable[str]) -> bool:
    """Overwrite ids in a log with as many x, in place: whoever appends to it goes on; says whether there were any."""
    wanted = re.compile(
        b"|".join(
            rb"(?<!\w)" + re.escape(i) + rb"(?!\w)" if len(i) < DISTINCT else re.escape(i)
            for i in map(str.encode, ids)
        )
    )
    content = path.read_bytes()
    places = [found.span() for found in wanted.finditer(content)]
    with path.open("r+b") as file:
        for start, end in places:
            file.seek(start)
            file.write(b"x" * (end - start))
    return bool(places)
