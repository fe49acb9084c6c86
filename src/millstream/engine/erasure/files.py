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

from millstream.engine.erasure.columns import plain
from millstream.engine.erasure.rewriting import await_older, of_people, relations_of, rewrite, rewrite_all
from millstream.engine.erasure.traces import renew_statistics

DISTINCT = (
    6  # an id of so many bytes is looked for wherever it stands, a shorter one as a value or its beginning
)
TOLD = 3  # one of fewer bytes cannot be told apart in files
WAL = "pg_wal"
PATIENCE = "10s"  # how long a relation's readers and writers are waited for before it is rewritten
TIMES = 3  # a relation is rewritten so often at most
# What a text shorter than 127 bytes has before it, where that looks like a part of a word, and how long the text is.
WORDLIKE_HEADERS = {
    bytes([length + 1 << 1 | 1]): length
    for length in range(126)
    if re.match(rb"\w", bytes([length + 1 << 1 | 1]))
}


def is_short(text: str) -> bool:
    """Whether an id may be a part of other texts by chance."""
    return len(text.encode()) < DISTINCT


def patterns(ids: Iterable[str]) -> re.Pattern[bytes]:
    """What to look for: an id as it is; a short one as a stored text, as JSON has it, and where a text begins with it."""
    wanted: set[bytes] = set()
    for each in ids:
        text = each.encode()
        if not is_short(each):
            wanted.add(re.escape(text))
            continue
        header = bytes([(len(text) + 1) << 1 | 1])
        values = (header + text, (len(text) + 4 << 2).to_bytes(4, "little") + text, b'"' + text + b'"')
        wanted.update(map(re.escape, values))
        wanted.add(derived(text))
        begins = derived_begin(text)
        done = len(text) + 1 + digits(text)
        wanted.update(
            re.escape(head) + begins + rb"[ -~]{%d}" % (length - done)
            for head, length in WORDLIKE_HEADERS.items()
            if length >= done
        )
    return re.compile(b"|".join(sorted(wanted)) or rb"(?!)")


def digits(text: bytes) -> int:
    """How many digits after a short id and a separator make it distinct."""
    return max(1, DISTINCT - len(text) - 1)


def derived_begin(text: bytes) -> bytes:
    """How ids begin that are made of a short one, such as those of sessions: `dan-20260301T200830`."""
    return re.escape(text) + rb"[-:_.]\d{%d}" % digits(text)


def derived(text: bytes) -> bytes:
    """The same where no word goes on; the literal comes first, by which the search is fast."""
    return re.escape(text) + rb"(?<!\w" + re.escape(text) + rb")[-:_.]\d{%d}" % digits(text)


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


def files(folder: Path, without: Path | None = None) -> Iterator[Path]:
    """Every file below a folder, but those below `without`, also while files come and go."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent) / name != without]
        for name in names:
            yield Path(parent) / name


def search(folder: Path, ids: Iterable[str], without: Path | None = None) -> list[Path]:
    """The files below a folder, but those below `without`, that have one of the ids in their bytes, in order."""
    wanted = patterns(ids)
    return sorted(path for path in files(folder, without) if path.is_file() and mentions(path, wanted))


def search_database(conn: psycopg.Connection, home: Path, ids: Collection[str]) -> list[Path]:
    """The files of this database that have one of the ids; a short one counts where something of people can be."""
    row = conn.execute("select oid::text from pg_database where datname = current_database()").fetchone()
    assert row is not None
    folder = home / "data" / "base" / row[0]
    found = set(search(folder, [each for each in ids if not is_short(each)]))
    if short := [each for each in ids if is_short(each)]:
        found.update(of_people(conn, search(folder, short)))
    return sorted(found)


@dataclass(frozen=True)
class Cleaned:
    """What was done to the files, and those that still have something, by folder of the home.

    `untold` is how many ids are too short to be told apart in files; for them `left` were not rewritten.
    """

    rewritten: tuple[str, ...]
    scrubbed: tuple[str, ...]
    remains: tuple[Path, ...]
    untold: int
    left: tuple[str, ...]


def clean(conn: psycopg.Connection, home: Path, ids: list[str], seconds: float = 60.0) -> Cleaned:
    """Rewrite the relations whose files have an id, until none has; overwrite ids in logs.

    `conn` is the owner's, in autocommit. A relation that is rewritten is locked meanwhile, and keeps the rows that a
    transaction of before may still see: such ones are waited for, for `seconds` at most. The write-ahead log is left.
    If an id is too short to be told apart in files, every table is rewritten.
    """
    deadline = time.monotonic() + seconds
    rewritten: Counter[str] = Counter()
    told = [each for each in ids if len(each.encode()) >= TOLD]
    done: list[str] = []
    left: list[str] = []
    conn.execute("select set_config('lock_timeout', %s, false)", [PATIENCE])
    if len(told) < len(ids):
        renew_statistics(conn, ids)
        done, left = rewrite_all(conn, deadline)
        deadline = time.monotonic() + seconds
    while True:
        await_older(conn, deadline)
        renew_statistics(conn, told)  # again: an ANALYZE of before may have ended since
        conn.execute("checkpoint")
        often = {name for name, times in rewritten.items() if times == TIMES}
        again = rewrite(conn, search_database(conn, home, told), often)
        rewritten.update(again)
        if not again or time.monotonic() > deadline:
            break
    scrubbed = [path.name for path in sorted(files(home / "logs")) if scrub(path, ids)]
    conn.execute("checkpoint")
    often = {name for name, times in rewritten.items() if times == TIMES}
    return Cleaned(
        tuple(sorted({*done, *rewritten})),
        tuple(scrubbed),
        tuple(remaining(conn, home, told, often)),
        len(ids) - len(told),
        tuple(left),
    )


def remaining(conn: psycopg.Connection, home: Path, ids: list[str], often: Collection[str]) -> list[Path]:
    """The files of the home that still have an id.

    What is found of a short one in a relation that was rewritten often is in rows of others.
    """
    long, short = [i for i in ids if not is_short(i)], [i for i in ids if is_short(i)]
    found = set(search(home, long))
    if short:
        found.update(search(home, short, without=home / "data"), search(home / "data" / WAL, short))
        for path in search_database(conn, home, short):
            tables, indexes = relations_of(conn, [path])
            if not any(plain(name) in often for name in tables | indexes):
                found.add(path)
    return sorted(found)


def relation_of(conn: psycopg.Connection, path: Path) -> str | None:
    """The relation that a file of the data directory belongs to."""
    name = path.name.split(".")[0]
    if not name.isdigit():
        return None
    row = conn.execute("select pg_filenode_relation(0, %s)::regclass::text", [int(name)]).fetchone()
    return row[0] if row is not None else None


def scrub(path: Path, ids: Iterable[str]) -> bool:
    """Overwrite ids in a log with as many x, in place: whoever appends to it goes on; says whether there were any."""
    wanted: list[bytes] = []
    for each in ids:
        text = re.escape(each.encode())
        if len(each.encode()) < TOLD:
            wanted.append(b'"' + text + b'"')
        elif is_short(each):
            wanted += [text + rb"(?<!\w" + text + rb")(?!\w)", derived(each.encode())]
        else:
            wanted.append(text)
    content = path.read_bytes()
    places = [found.span() for found in re.finditer(b"|".join(wanted) or rb"(?!)", content)]
    if not places:
        return False
    with path.open("r+b") as file:
        for start, end in places:
            file.seek(start)
            file.write(b"x" * (end - start))
    return True
