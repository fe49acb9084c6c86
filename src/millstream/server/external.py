"""A PostgreSQL server of one's own, named by `MILLSTREAM_DSN`: checked, given our roles, never started or stopped."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from millstream.server import rights, roles
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
            connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise ServerError(
                f"MILLSTREAM_DSN cannot be connected to: {str(error).strip()}. Correct it, or unset it to use the "
                "embedded server."
            ) from error
        with connection:
            _check(connection)
            place = _place(connection)
            passwords = _make_roles(connection, home, place)
            server = _server(home, dsn, connection, passwords)
    for kind in passwords:
        _log_in(home, kind, server.dsn(kind), place)
    return server


def look(home: Home, dsn: str) -> Server | None:
    """Return the server of `dsn` if it answers, else None; change nothing there."""
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.Error:
        return None
    with connection:
        return _server(home, dsn, connection, home.read().external.get(_place(connection), {}))


def _place(connection: psycopg.Connection) -> str:
    return f"{connection.info.host}:{connection.info.port}"


def _server(home: Home, dsn: str, connection: psycopg.Connection, passwords: dict[str, str]) -> Server:
    owner = {"options": SESSION, **conninfo_to_dict(dsn)}
    dsns = {"owner": make_conninfo("", **owner)}
    for kind, password in passwords.items():
        role = {"user": ROLES[kind], "password": password, "dbname": connection.info.dbname}
        dsns[kind] = make_conninfo("", **{**owner, **role})
    return Server(
        home,
        dsns,
        host=connection.info.host,
        port=connection.info.port,
        external=True,
        options=home.options(),
    )


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
    usable = connection.execute(
        "select has_function_privilege('pg_advisory_lock(bigint)', 'execute')"
    ).fetchone()
    if usable != (True,):
        raise ServerError(
            f"the database {database} of MILLSTREAM_DSN is closed to its user {user}, which may create there now. "
            f"As a superuser, again: psql -d {database} -f src/millstream/server/rights.sql"
        )
    if encoding != "UTF8":
        raise ServerError(
            f"the database {database} of MILLSTREAM_DSN has the encoding {encoding}; Millstream needs UTF8. "
            "Make one: create database millstream template template0 encoding 'UTF8' locale 'C';"
        )


def _make_roles(connection: psycopg.Connection, home: Home, place: str) -> dict[str, str]:
    content = home.read()
    passwords = content.external.setdefault(place, {})
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('millstream roles'))")
        for kind in roles.LIMITS:
            exists = roles.role_exists(connection, kind)
            if exists and kind in passwords:
                with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    _make_role(connection, home, kind, passwords[kind])
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
            _make_role(connection, home, kind, passwords[kind])
            _check_connect(connection, kind)
        # Before the commit: a password that is kept for no role does no harm, the reverse would.
        home.write(content)
    if rights.is_superuser(connection):
        rights.close(connection)
    return passwords


def _make_role(connection: psycopg.Connection, home: Home, kind: str, password: str) -> None:
    roles.make_role(connection, kind, password, connection.info.dbname, home.options().connections(kind))


def _check_connect(connection: psycopg.Connection, kind: str) -> None:
    """PostgreSQL only warns when a grant is not ours to give."""
    name, database = ROLES[kind], connection.info.dbname
    row = connection.execute("select has_database_privilege(%s, %s, 'connect')", [name, database]).fetchone()
    if row != (True,):
        raise ServerError(
            f"the role {name} may not connect to the database {database} of MILLSTREAM_DSN, and its user may not allow it. "
            f"As the owner of the database: grant connect on database {database} to public;"
        )


def _log_in(home: Home, kind: str, dsn: str, place: str) -> None:
    try:
        psycopg.connect(dsn, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise ServerError(
            f"the role {ROLES[kind]} cannot log in to {place}: {str(error).strip()}. "
            f"Its password is the one in {home.server_file}; let pg_hba.conf of that server accept it "
            "(host ... scram-sha-256), or correct the password there."
        ) from error
