"""The roles and the database: made if missing, and brought to their settings, every time a server is started."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

import psycopg
from psycopg import sql

from millstream.server.home import DATABASE, ROLES
from millstream.server.options import Options

# What a role may at most do, whatever is granted to it. Time-outs keep a forgotten session from holding back vacuum; what
# is not a superuser's to change, the watchdog enforces. Readers look a few rows up by key with statements that are long to
# plan: prepared once, they are planned once. What goes wrong is told to the client: written to the log, it would fill the
# disk at the client's will.
LIMITS: dict[str, dict[str, str]] = {
    "writer": {
        "idle_in_transaction_session_timeout": "1min",
        "log_min_messages": "fatal",
        "temp_file_limit": "1GB",
        "transaction_timeout": "1h",
    },
    "reader": {
        "default_transaction_read_only": "on",
        "idle_in_transaction_session_timeout": "10s",
        "idle_session_timeout": "1h",
        "log_min_messages": "fatal",
        "plan_cache_mode": "force_generic_plan",
        "statement_timeout": "5s",
        "temp_file_limit": "64MB",
        "transaction_timeout": "30s",
    },
}
COMMON = {"TimeZone": "UTC", "jit": "off"}
SUPERUSERS = frozenset({"log_min_messages", "temp_file_limit"})  # what only a superuser may set

# How an attribute must be, and what makes it so.
ATTRIBUTES = {
    "rolsuper": (False, "nosuperuser"),
    "rolcreaterole": (False, "nocreaterole"),
    "rolcreatedb": (False, "nocreatedb"),
    "rolreplication": (False, "noreplication"),
    "rolbypassrls": (False, "nobypassrls"),
    "rolcanlogin": (True, "login"),
}


def settings_of(kind: str) -> dict[str, str]:
    """The settings of the role `kind`, by the names that PostgreSQL keeps them under."""
    return {**COMMON, **LIMITS[kind]}


def make_database(connection: psycopg.Connection) -> None:
    """Make the database `millstream` of an embedded server, closed to everybody but its roles.

    `connection` is the owner's, in autocommit, to the maintenance database.
    """
    found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
    if found is None:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    # The owner is called like the catalogue's schema, which "$user" would put before public.
    owner = sql.Identifier(ROLES["owner"])
    connection.execute(sql.SQL("alter role {} set search_path = public").format(owner))
    for database in (DATABASE, "postgres", "template1"):
        connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))


def make_role(
    connection: psycopg.Connection, kind: str, password: str, database: str, connections: int
) -> list[str]:
    """Make the role `kind` (writer or reader) if it is missing, and bring attributes, password, settings and number of
    connections to what they must be: all at once, and nothing else stays set. Returns the settings that `connection` may not set.

    Only the SCRAM verifier of the password goes to the server, so no log can show it.
    """
    name = sql.Identifier(ROLES[kind])
    with connection.transaction():
        if not role_exists(connection, kind):
            connection.execute(sql.SQL("create role {} login").format(name))
        mend_attributes(connection, kind, connections)
        verifier = connection.pgconn.encrypt_password(
            password.encode(), ROLES[kind].encode(), b"scram-sha-256"
        ).decode()
        connection.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(verifier)))
        elsewhere = connection.execute(
            "select d.datname from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase"
            " where s.setrole = %s::regrole",
            [ROLES[kind]],
        ).fetchall()
        for (other,) in elsewhere:
            place = sql.Identifier(other)
            connection.execute(sql.SQL("alter role {} in database {} reset all").format(name, place))
        connection.execute(sql.SQL("alter role {} reset all").format(name))
        refused = [
            setting
            for setting, value in settings_of(kind).items()
            if not _set(connection, name, setting, value)
        ]
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), name)
        )
    return refused


def mend_attributes(connection: psycopg.Connection, kind: str, connections: int) -> None:
    """Take away what the role must not have, and set how many sessions it may have. Only a superuser may do all of it."""
    row = connection.execute(
        sql.SQL("select {} from pg_roles where rolname = %s").format(
            sql.SQL(", ").join(map(sql.Identifier, ATTRIBUTES))
        ),
        [ROLES[kind]],
    ).fetchone()
    assert row is not None
    wrong = [word for (must, word), is_ in zip(ATTRIBUTES.values(), row, strict=True) if is_ is not must]
    words = sql.SQL(" ".join([*wrong, f"connection limit {connections}"]))
    connection.execute(sql.SQL("alter role {} {}").format(sql.Identifier(ROLES[kind]), words))


def _set(connection: psycopg.Connection, name: sql.Identifier, setting: str, value: str) -> bool:
    """Set a setting of a role; say whether we may."""
    statement = sql.SQL("alter role {} set {} = {}")
    try:
        with connection.transaction():
            connection.execute(statement.format(name, sql.Identifier(setting), sql.Literal(value)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def role_exists(connection: psycopg.Connection, kind: str) -> bool:
    """Say whether the server has the role."""
    query = "select 1 from pg_roles where rolname = %s"
    return connection.execute(query, [ROLES[kind]]).fetchone() is not None


def make_roles(
    connection: psycopg.Connection, passwords: Mapping[str, str], options: Options, database: str = DATABASE
) -> None:
    """Make writer and reader with the given passwords and as many connections as the home's options say."""
    for kind in LIMITS:
        make_role(connection, kind, passwords[kind], database, options.connections(kind))


def fits(verifier: str | None, password: str) -> bool:
    """Say whether a SCRAM-SHA-256 verifier, as pg_authid keeps it, is that of a password (RFC 5802, 3)."""
    try:
        scheme, cost_and_salt, keys = (verifier or "").split("$")
        cost, salt = cost_and_salt.split(":")
        stored, _ = keys.split(":")
        if scheme != "SCRAM-SHA-256":
            return False
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(cost))
        client = hmac.digest(salted, b"Client Key", "sha256")
        return hmac.compare_digest(hashlib.sha256(client).digest(), base64.b64decode(stored))
    except ValueError:  # no verifier of ours
        return False


def deviations(
    connection: psycopg.Connection, kind: str, known: Mapping[str, str], connections: int, *, superuser: bool
) -> tuple[list[str], str | None]:
    """What of a role is not as it must be: names of attributes, settings (`setting of` another database included), and
    `password` where the verifier is another than the `known` one of the role. Returns them with the verifier.
    """
    secret = sql.SQL(
        "(select a.rolpassword from pg_authid as a where a.oid = r.oid)" if superuser else "null"
    )
    row = connection.execute(
        sql.SQL(
            "select {}, r.rolconnlimit, {},"
            " (select s.setconfig from pg_db_role_setting as s where s.setrole = r.oid and s.setdatabase = 0),"
            " exists (select from pg_db_role_setting as s where s.setrole = r.oid and s.setdatabase <> 0)"
            " from pg_roles as r where r.rolname = %s"
        ).format(sql.SQL(", ").join(map(sql.Identifier, ATTRIBUTES)), secret),
        [ROLES[kind]],
    ).fetchone()
    if row is None:
        return ["the role itself"], None
    *attributes, allowed, verifier, pairs, elsewhere = row
    wrong = [
        name for (name, (must, _)), is_ in zip(ATTRIBUTES.items(), attributes, strict=True) if is_ is not must
    ]
    wrong += ["connection limit"] if allowed != connections else []
    wrong += ["password"] if superuser and (verifier is None or verifier != known.get(kind)) else []
    settings = dict(pair.split("=", 1) for pair in pairs or [])
    wanted = {n: value for n, value in settings_of(kind).items() if superuser or n not in SUPERUSERS}
    wrong += sorted(n for n in settings.keys() | wanted.keys() if settings.get(n) != wanted.get(n))
    wrong += ["settings in one database"] if elsewhere else []
    return wrong, verifier
