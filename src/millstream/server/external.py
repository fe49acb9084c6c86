"""A PostgreSQL server of one's own, named by `MILLSTREAM_DSN`: checked, given our roles, never started or stopped."""

from __future__ import annotations

import os

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from millstream.server import roles
from millstream.server.binaries import OLDEST_MAJOR
from millstream.server.errors import ServerError
from millstream.server.home import ROLES, Home, new_password
from millstream.server.server import Server

SESSION = "-c timezone=UTC -c jit=off"  # what the embedded server has in its settings


def attach(home: Home, dsn: str, timeout: float = 60.0) -> Server:
    """Check the server of `dsn` and make the roles there if they are missing.

    `dsn` is the owner: a superuser, or a role that may create roles and create in its database. The passwords of the
    other roles are generated and kept in the home's `server.json`, by host and port. Raises ServerError.
    """
    with home.lock(timeout):
        try:
            owner = conninfo_to_dict(dsn)
            connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise ServerError(
                f"MILLSTREAM_DSN cannot be connected to: {str(error).strip()}. Correct it, or unset it to use the "
                "embedded server."
            ) from error
        with connection:
            _check(connection)
            host, port, database = connection.info.host, connection.info.port, connection.info.dbname
            place = f"{host}:{port}"
            content = home.read()
            passwords = content.external.setdefault(place, {})
            _make_roles(connection, home, place, passwords, database)
            home.write(content)
    if "options" not in owner:
        owner["options"] = SESSION
    dsns = {"owner": make_conninfo("", **owner)}
    for kind, password in passwords.items():
        dsns[kind] = make_conninfo(
            "", **{**owner, "user": ROLES[kind], "password": password, "dbname": database}
        )
        _log_in(home, kind, dsns[kind], place)
    return Server(home, dsns, host=host, port=port, external=True)


def _check(connection: psycopg.Connection) -> None:
    if connection.info.server_version < OLDEST_MAJOR * 10_000:
        raise ServerError(
            f"the server of MILLSTREAM_DSN is PostgreSQL {connection.info.server_version // 10_000}; "
            f"Millstream needs {OLDEST_MAJOR} or newer. Upgrade it, or unset MILLSTREAM_DSN to use the embedded server."
        )
    row = connection.execute(
        "select rolname, rolsuper or rolcreaterole, has_database_privilege(current_database(), 'create'),"
        " current_database(), current_setting('server_encoding')"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    assert row is not None
    user, may_make_roles, may_create, database, encoding = row
    if not may_make_roles:
        raise ServerError(
            f"the user {user} of MILLSTREAM_DSN may not make roles. As a superuser: alter role {user} createrole;"
        )
    if not may_create:
        raise ServerError(
            f"the user {user} of MILLSTREAM_DSN may not make schemas in the database {database}. "
            f"As its owner: grant create on database {database} to {user};"
        )
    if encoding != "UTF8":
        raise ServerError(
            f"the database {database} of MILLSTREAM_DSN has the encoding {encoding}; Millstream needs UTF8. "
            "Make one: create database millstream template template0 encoding 'UTF8' locale 'C';"
        )


def _make_roles(
    connection: psycopg.Connection, home: Home, place: str, passwords: dict[str, str], database: str
) -> None:
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('millstream roles'))")
        for kind in roles.LIMITS:
            exists = roles.role_exists(connection, kind)
            if exists and kind in passwords:
                continue
            if exists:
                name = ROLES[kind]
                raise ServerError(
                    f"the role {name} exists on {place}, and its password is not in {home.server_file}: another home "
                    f"made it. Use that home (MILLSTREAM_HOME), or write the password into the file as "
                    f'"external": {{"{place}": {{"{kind}": "..."}}}} (to change it: \\password {name} in psql), '
                    f"or drop the role if nobody uses it."
                )
            passwords[kind] = new_password()
            roles.make_role(connection, kind, passwords[kind], database)


def _log_in(home: Home, kind: str, dsn: str, place: str) -> None:
    try:
        psycopg.connect(dsn, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise ServerError(
            f"the role {ROLES[kind]} cannot log in to {place}: {str(error).strip()}. "
            f"Its password is the one in {home.server_file}; let pg_hba.conf of that server accept it "
            "(host ... scram-sha-256), or correct the password there."
        ) from error


def configured() -> bool:
    """Say whether `MILLSTREAM_DSN` names a server of one's own."""
    return bool(os.environ.get("MILLSTREAM_DSN"))
