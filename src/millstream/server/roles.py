"""The roles and the database: made if missing, and brought to their settings, every time a server is started."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from millstream.server.home import DATABASE, ROLES

# What a role may at most do, whatever is granted to it. Time-outs keep a forgotten session from holding back vacuum.
# Readers look a few rows up by key with statements that are long to plan: prepared once, they are planned once.
LIMITS: dict[str, dict[str, str]] = {
    "writer": {
        "idle_in_transaction_session_timeout": "1min",
    },
    "reader": {
        "default_transaction_read_only": "on",
        "plan_cache_mode": "force_generic_plan",
        "statement_timeout": "5s",
        "transaction_timeout": "30s",
        "idle_in_transaction_session_timeout": "10s",
        "idle_session_timeout": "1h",
    },
}
COMMON = {"timezone": "UTC", "jit": "off"}
CONNECTIONS = {"writer": 20, "reader": 20}


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


def make_role(connection: psycopg.Connection, kind: str, password: str | None, database: str) -> None:
    """Make the role `kind` (writer or reader) if it is missing, and set its limits; `password` None leaves it as it is.

    Only the SCRAM verifier of the password goes to the server, so no log can show it.
    """
    name = sql.Identifier(ROLES[kind])
    if not role_exists(connection, kind):
        connection.execute(sql.SQL("create role {} login").format(name))
    limit = sql.Literal(CONNECTIONS[kind])
    connection.execute(sql.SQL("alter role {} login connection limit {}").format(name, limit))
    if password is not None:
        verifier = connection.pgconn.encrypt_password(
            password.encode(), ROLES[kind].encode(), b"scram-sha-256"
        ).decode()
        connection.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(verifier)))
    for setting, value in {**COMMON, **LIMITS[kind]}.items():
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
        )
    connection.execute(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), name))


def role_exists(connection: psycopg.Connection, kind: str) -> bool:
    """Say whether the server has the role."""
    query = "select 1 from pg_roles where rolname = %s"
    return connection.execute(query, [ROLES[kind]]).fetchone() is not None


def make_roles(
    connection: psycopg.Connection, passwords: Mapping[str, str], database: str = DATABASE
) -> None:
    """Make writer and reader with the given passwords."""
    for kind in LIMITS:
        make_role(connection, kind, passwords[kind], database)
