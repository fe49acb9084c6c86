"""What a database lets everybody do: closed by a superuser, listed where none is at hand (decision 10)."""

from __future__ import annotations

import json
from importlib.resources import files

import psycopg
from psycopg import sql

from millstream.server import roles
from millstream.server.home import ROLES

GUIDE = "docs/howto/security.md"

# A session begins with the settings of its role, which the role itself may change for all sessions to come: with them
# back at what they must be, as far as the client has not chosen a value of its own. Settings that only a superuser may
# set need no care. It must never fail, or nobody gets in; to an untouched role it costs one look at a small table.
BEGIN_SESSION = """
begin
    if session_user not in {roles} or exists (
        select from pg_catalog.pg_db_role_setting as s
        where s.setrole = session_user::pg_catalog.regrole
        having count(*) = 1 and pg_catalog.bool_and(
            s.setdatabase = 0 and s.setconfig = case session_user when {writer} then {writers}::text[] else {readers}::text[] end
        )
    ) then
        return;
    end if;
    declare
        wanted pg_catalog.jsonb := {wanted}::pg_catalog.jsonb -> session_user::pg_catalog.text;
        pair pg_catalog.text;
    begin
        for pair in
            select p from pg_catalog.pg_db_role_setting as s cross join pg_catalog.unnest(s.setconfig) as p
            where s.setrole = session_user::pg_catalog.regrole
        loop
            if not wanted ? pg_catalog.split_part(pair, '=', 1) then
                wanted := wanted || pg_catalog.jsonb_build_object(pg_catalog.split_part(pair, '=', 1), (
                    select s.boot_val from pg_catalog.pg_settings as s
                    where s.name = pg_catalog.split_part(pair, '=', 1)
                ));
            end if;
        end loop;
        perform pg_catalog.set_config(w.key, coalesce(w.value, ''), false)
        from pg_catalog.jsonb_each_text(wanted) as w
        left join pg_catalog.pg_settings as s on s.name = w.key
        where s.name is null or s.context = 'user' and s.source <> 'client';
    end;
exception when others then
    return;
end
"""


def is_superuser(connection: psycopg.Connection) -> bool:
    """Say whether the user of a connection is a superuser."""
    return connection.info.parameter_status("is_superuser") == "on"


def close(connection: psycopg.Connection) -> None:
    """Take from everybody what the owner alone may do in the database of `connection`, which is a superuser's, and have
    the sessions of writer and reader begin with our settings. Nothing changes the second time.
    """
    with connection.transaction():
        connection.execute(files("millstream.server").joinpath("rights.sql").read_bytes())
        body = sql.SQL(BEGIN_SESSION).format(**_wanted()).as_string(connection)
        connection.execute("create schema if not exists millstream_server")
        connection.execute(
            sql.SQL(
                "create or replace function millstream_server.begin_session() returns event_trigger"
                " language plpgsql as {}"
            ).format(sql.Literal(body))
        )
        connection.execute("revoke all on function millstream_server.begin_session() from public")
        found = connection.execute("select 1 from pg_event_trigger where evtname = 'millstream_session'")
        if found.fetchone() is None:
            connection.execute(
                "create event trigger millstream_session on login"
                " execute function millstream_server.begin_session()"
            )


def _wanted() -> dict[str, sql.Composable]:
    """What BEGIN_SESSION compares with: the settings of each role, as pg_db_role_setting has them, and as JSON."""
    names = {kind: ROLES[kind] for kind in roles.LIMITS}
    settings = {kind: roles.settings_of(kind) for kind in roles.LIMITS}
    pairs = {kind: [f"{key}={value}" for key, value in found.items()] for kind, found in settings.items()}
    return {
        "roles": sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, names.values()))),
        "writer": sql.Literal(names["writer"]),
        "writers": sql.Literal(pairs["writer"]),
        "readers": sql.Literal(pairs["reader"]),
        "wanted": sql.Literal(json.dumps({names[kind]: found for kind, found in settings.items()})),
    }


DOORS = {
    "take advisory locks, which the engine uses": "has_function_privilege(%(role)s, 'pg_advisory_lock(bigint)', 'execute')",
    "store large objects, which fill the disk": "has_function_privilege(%(role)s, 'lo_from_bytea(oid, bytea)', 'execute')",
    "see what other sessions run": "has_function_privilege(%(role)s, 'pg_stat_get_activity(int)', 'execute')",
    "run code (DO)": "has_language_privilege(%(role)s, 'plpgsql', 'usage')",
    "make temporary tables": "has_database_privilege(%(role)s, current_database(), 'temporary')",
    "fill the disk with temporary files": "not exists (select from pg_db_role_setting as s"
    " cross join unnest(s.setconfig) as p where s.setrole = %(role)s::regrole and p like 'temp_file_limit=%%')",
}


def open_doors(connection: psycopg.Connection) -> list[str]:
    """What the reader may still do on a server of one's own whose superuser we are not."""
    query = sql.SQL("select ") + sql.SQL(", ").join(map(sql.SQL, DOORS.values()))
    row = connection.execute(query, {"role": ROLES["reader"]}).fetchone()
    assert row is not None
    return [name for name, is_open in zip(DOORS, row, strict=True) if is_open]
