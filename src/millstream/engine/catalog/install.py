"""Create the engine's schema, once, and check its version ever after."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import psycopg

from millstream.errors import MillstreamError

VERSION = "4"
MIGRATIONS = {  # from a version to the next
    "1": ("2", "migrate_1_to_2.sql"),
    "2": ("3", "migrate_2_to_3.sql"),
    "3": ("4", "migrate_3_to_4.sql"),
}
FUNCTIONS = (
    "functions.sql",
    "guards.sql",
    "series.sql",
    "windows.sql",
    "risingwave.sql",
    "evaluation_errors.sql",
    "set_aside.sql",
    "feeds.sql",
    "builds.sql",
    "erasures.sql",
    "rights.sql",  # after all that make functions
)
INSTALL_LOCK = 0x6D696C6C  # advisory lock: 'mill'
MINIMUM_SERVER = 180000


def install(conn: psycopg.Connection) -> None:
    """Create the schema if there is none; refuse a server or a schema that this version cannot use."""
    if conn.info.server_version < MINIMUM_SERVER:
        raise MillstreamError(
            f"PostgreSQL {conn.info.server_version // 10000} is too old: version 18 or newer is needed\n"
            "  hint: unset MILLSTREAM_DSN to use the embedded server, or point it to a newer one"
        )
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
        found = conn.execute("select to_regclass('millstream.setting')").fetchone()
        if found is None or found[0] is None:
            conn.execute(resource("schema.sql"))
        migrate(conn)
        row = conn.execute("select value from millstream.setting where name = 'version'").fetchone()
        if row is None or row[0] != VERSION:
            raise MillstreamError(
                f"the database was made by version {row[0] if row else '?'} of the engine's catalogue, this is {VERSION}\n"
                "  hint: use the release that made it, or load into a new home directory"
            )
        replace_functions(conn)


def migrate(conn: psycopg.Connection) -> None:
    """Bring the schema from the version that it has to this one, step by step."""
    while True:
        row = conn.execute("select value from millstream.setting where name = 'version'").fetchone()
        if row is None or row[0] not in MIGRATIONS:
            return
        version, file = MIGRATIONS[row[0]]
        conn.execute(resource(file))
        conn.execute("update millstream.setting set value = %s where name = 'version'", [version])


def replace_functions(conn: psycopg.Connection) -> None:
    """Make the functions again if a release changed them; nothing depends on more than their names."""
    text = b"\n".join(resource(name) for name in FUNCTIONS)
    mark = hashlib.sha256(text).hexdigest()[:16]
    row = conn.execute("select value from millstream.setting where name = 'functions'").fetchone()
    if row is None or row[0] != mark:
        conn.execute(text)
        conn.execute(
            "insert into millstream.setting values ('functions', %s) on conflict (name) do update set value = excluded.value",
            [mark],
        )


def resource(name: str) -> bytes:
    """Read a file of this package."""
    return files("millstream.engine.catalog").joinpath(name).read_bytes()
