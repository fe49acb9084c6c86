"""What reader and writer may do with the shipped project: exactly what is listed, and no attack of the kinds tried here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Server, rights
from tests.compiler.golden import REFRESH
from tests.server.rights import rights_of
from tests.serving.project import deploy_project

GOLDEN = Path(__file__).with_suffix(".golden")
REFRESHED = bool(os.environ.get(REFRESH))  # read before the settings of the machine are taken away


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    """A server with the shipped project."""
    path = shutil.copytree(template, tmp_path_factory.mktemp("shop") / "home")
    with millstream.server.open(path) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLSTREAM_HOME", str(path))
        deploy_project(tmp_path_factory.mktemp("dbt"))
        yield server


@pytest.fixture
def sessions(shop: Server) -> Iterator[dict[str, psycopg.Connection]]:
    """A session of each role, the reader's with its own limits set away."""
    with (
        psycopg.connect(shop.dsn("reader"), autocommit=True) as reader,
        psycopg.connect(shop.dsn("writer"), autocommit=True) as writer,
    ):
        reader.execute("set default_transaction_read_only = off")
        yield {"reader": reader, "writer": writer}


def test_the_roles_have_the_rights_that_are_listed_and_no_others(shop: Server) -> None:
    """`MILLSTREAM_REFRESH_GOLDEN=1 pytest tests/server/test_rights.py` lists them anew: read the difference."""
    with psycopg.connect(shop.dsn()) as owner:
        found = "\n".join(rights_of(owner, role) for role in ("millstream_reader", "millstream_writer"))
    if REFRESHED:
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_a_right_that_somebody_adds_is_seen(shop: Server) -> None:
    with psycopg.connect(shop.dsn()) as owner:
        before = rights_of(owner, "millstream_reader")
        for statement in (
            "grant select on public.events to millstream_reader",
            "grant select (name) on public.items to millstream_reader",
            "grant execute on function pg_catalog.pg_advisory_lock(bigint) to public",
            "grant usage on language plpgsql to public",
            "create function public.f() returns integer language sql as 'select 1'",
            "create sequence public.s; grant usage on sequence public.s to millstream_reader",
            "grant pg_monitor to millstream_reader",
            "alter role millstream_reader createdb",
            "grant set on parameter log_statement to millstream_reader",
            "grant temporary on database millstream to millstream_reader",
        ):
            owner.execute(statement.encode())
            assert rights_of(owner, "millstream_reader") != before, statement
            owner.rollback()


BOTH = ("reader", "writer")
READER = ("reader",)
ATTACKS = [
    (roles, kind, statement)
    for roles, kind, statements in (
        (
            BOTH,
            "takes a lock that the engine waits for",
            (
                "select pg_advisory_lock(x'7469636b'::integer)",
                "select pg_advisory_lock_shared(x'776f726b'::integer)",
                "select pg_try_advisory_lock(1, 2)",
                "select pg_advisory_xact_lock(x'62756c64'::bigint)",
                "select pg_try_advisory_xact_lock_shared(x'6d696c6c'::bigint)",
                "select * from millstream.enter_tick(x'7469636b'::bigint)",
                "select millstream.watch('public', 'serve_popular')",
                "lock table pg_catalog.pg_class in share mode",
                "lock table pg_catalog.pg_authid in access share mode",
                "lock table millstream.clock in access share mode",
            ),
        ),
        (
            BOTH,
            "fills the disk",
            (
                "select lo_from_bytea(0, 'x')",
                "select lo_create(0)",
                "select lo_creat(-1)",
                "select lo_import('/etc/hostname')",
                "select lo_put(1, 0, 'x')",
                "create temporary table t (a integer)",
                "create table public.t (a integer)",
                "select pg_logical_emit_message(false, 'a', 'b')",
                "select pg_export_snapshot()",
                "select pg_current_xact_id()",
                "set temp_file_limit = -1",
                "set log_min_messages = debug5",
                "set log_statement = 'all'",
                "copy (select 1) to '/tmp/x'",
            ),
        ),
        (
            BOTH,
            "runs code",
            (
                "do $$ begin end $$",
                "create function pg_temp.f() returns integer language sql as 'select 1'",
                "create function public.f() returns integer language plpgsql as 'begin return 1; end'",
                "create schema s",
                "create extension lo",
                "copy (select 1) to program 'id'",
                "select query_to_xml('select 1', true, true, '')",
                "load 'auto_explain'",
            ),
        ),
        (
            BOTH,
            "sees or ends the work of others",
            (
                "select * from pg_stat_activity",
                "select * from pg_locks",
                "select pg_stat_get_backend_activity(1)",
                "select * from pg_stat_user_tables",
                "select pg_terminate_backend(1)",
                "select pg_cancel_backend(1)",
                "select pg_read_file('postgresql.conf')",
                "select pg_ls_dir('.')",
                "select rolpassword from pg_authid",
                "select * from millstream.relation",
                "select * from millstream_data.events__queue",
            ),
        ),
        (
            BOTH,
            "becomes somebody else",
            (
                "set role millstream",
                "set session authorization millstream",
                "alter role {} superuser",
                "alter role {} connection limit 1000",
                "alter role {} valid until '2000-01-01'",
                "grant pg_monitor to {}",
                "alter role millstream password 'x'",
                "alter role {} set temp_file_limit = -1",
                "alter database millstream set work_mem = '1GB'",
            ),
        ),
        (
            BOTH,
            "disturbs the engine",
            (
                "select pg_notify('millstream_queue', '')",
                "select pg_sleep(0)",
                "call millstream.set_clock(now())",
                "select millstream.settle_evaluation_errors()",
                "select millstream.record_failure('', '', '', '{{}}')",
                "select millstream.note_key('', '', '{{}}', '')",
                "select millstream.trim_feeds(0)",
                "select nextval('millstream.queue_number')",
                "select setval('millstream.queue_number', 1)",
                "update millstream.clock set tick = 0",
                "set session_replication_role = replica",
                "set event_triggers = off",
                "alter event trigger millstream_session disable",
            ),
        ),
        (
            READER,
            "touches sources",
            (
                "select * from events",
                "insert into events (event_id) values ('x')",
                "select * from serve_popular for update",
                "lock table serve_popular in access exclusive mode",
                "call millstream.flush()",
            ),
        ),
        (
            ("writer",),
            "goes around the queue",
            (
                "insert into millstream_data.events__queue (seq$) values (1)",
                "select * from serve_popular",
                "drop table events",
                "alter table events disable trigger all",
                "create rule r as on insert to events do also nothing",
                "create trigger t after insert on events for each row execute function millstream.begin_insertion()",
                "create policy p on events",
                "create index on events (user_id)",
                "alter table events add check (false)",
                "comment on table events is 'x'",
                "alter role millstream_reader password 'x'",
                "call millstream.wait_for('{{}}', '', '{{}}', now(), '1 s')",
            ),
        ),
    )
    for statement in statements
]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        pytest.param(role, statement, id=f"{role} {kind}: {statement}")
        for roles, kind, statement in ATTACKS
        for role in roles
    ],
)
def test_an_attack_is_refused(sessions: dict[str, psycopg.Connection], role: str, statement: str) -> None:
    conn = sessions[role]
    conn.execute("begin")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.format(f"millstream_{role}").encode())
    conn.execute("rollback")


@pytest.mark.parametrize("role", BOTH)
@pytest.mark.parametrize(
    "statement",
    [
        "select pg_advisory_unlock_all()",  # what pools of asyncpg and Npgsql send when a session is given back
        "discard all",
        "select pg_is_in_recovery(), pg_backend_pid(), version(), current_setting('server_version_num')",
        "select set_config('application_name', 'shop', false), random(), gen_random_uuid(), clock_timestamp()",
        "select pg_get_viewdef(c.oid), pg_table_size(c.oid) from pg_class as c where relname like 'serve%'",
        "select * from information_schema.columns",
        "select * from information_schema.table_constraints",
        "select * from pg_settings",
        "select * from pg_stats",
        "listen anything",
    ],
)
def test_what_drivers_and_pools_send_is_answered(
    sessions: dict[str, psycopg.Connection], role: str, statement: str
) -> None:
    sessions[role].execute(statement.encode())


def test_what_monitoring_needs_can_be_granted(shop: Server) -> None:
    with psycopg.connect(shop.dsn()) as owner:
        owner.execute("create role watcher; grant pg_monitor to watcher; set local role watcher")
        owner.execute("select * from pg_stat_activity, pg_locks, pg_stat_user_tables")
        owner.rollback()


def test_a_second_start_changes_no_right(shop: Server) -> None:
    grants = "select md5(string_agg(p.oid || coalesce(p.proacl::text, '') || p.xmin, ' ' order by p.oid)) from pg_proc as p"
    with psycopg.connect(shop.dsn(), autocommit=True) as owner:
        rights.close(owner)
        ours = f"{grants} where pronamespace = 'pg_catalog'::regnamespace"
        before = owner.execute(ours.encode()).fetchone()
        rights.close(owner)
        assert owner.execute(ours.encode()).fetchone() == before


# ---- the session that begins ------------------------------------------------------------------------------------------


def shown(dsn: str, *names: str, **options: str) -> list[str]:
    with psycopg.connect(dsn, **options) as conn:  # type: ignore[arg-type]
        return [str(conn.execute(f"show {name}".encode()).fetchone()[0]) for name in names]  # type: ignore[index]


@pytest.mark.parametrize(
    ("statement", "name", "value"),
    [
        ("alter role millstream_reader set search_path = nosuch", "search_path", '"$user", public'),
        ("alter role millstream_reader set statement_timeout = '1ms'", "statement_timeout", "5s"),
        (
            "alter role millstream_reader set default_transaction_read_only = off",
            "default_transaction_read_only",
            "on",
        ),
        ("alter role millstream_reader reset statement_timeout", "statement_timeout", "5s"),
        ("alter role millstream_reader reset all", "idle_session_timeout", "1h"),
        (
            "alter role millstream_reader in database millstream set search_path = nosuch",
            "search_path",
            '"$user", public',
        ),
        (
            "alter role millstream_reader in database millstream set statement_timeout = 0",
            "statement_timeout",
            "5s",
        ),
        ("alter role millstream_reader set datestyle = 'German'", "datestyle", "ISO, MDY"),
    ],
)
def test_a_session_does_not_begin_with_what_somebody_set_for_its_role(
    made: Path, statement: str, name: str, value: str
) -> None:
    with millstream.server.open(made) as server:
        with psycopg.connect(server.dsn("reader"), autocommit=True) as reader:
            reader.execute("set default_transaction_read_only = off")
            reader.execute(statement.encode())
        assert shown(server.dsn("reader"), name) == [value]
    with millstream.server.open(made) as server, psycopg.connect(server.dsn()) as owner:
        kept = "select setdatabase, array(select unnest(setconfig) order by 1) from pg_db_role_setting where setrole = %s::regrole"
        rows = owner.execute(kept, ["millstream_reader"]).fetchall()
        wanted = millstream.server.roles.settings_of("reader")
        assert rows == [(0, sorted(f"{key}={value}" for key, value in wanted.items()))]


def test_a_client_s_own_wishes_hold_from_the_start(shop: Server) -> None:
    options = "-c statement_timeout=2s -c work_mem=5MB -c timezone=Europe/Berlin"
    assert shown(shop.dsn("reader"), "statement_timeout", "work_mem", "timezone", options=options) == [
        "2s",
        "5MB",
        "Europe/Berlin",
    ]


def test_a_start_makes_anew_what_keeps_everybody_out(made: Path) -> None:
    with millstream.server.open(made) as server, psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute(
            "create or replace function millstream_server.begin_session() returns event_trigger language plpgsql"
            " as 'begin raise exception ''nobody''; end'"
        )
        with pytest.raises(psycopg.OperationalError, match="nobody"):
            psycopg.connect(server.dsn())
    with millstream.server.open(made) as server:
        for role in ("owner", "reader", "writer"):
            psycopg.connect(server.dsn(role)).close()


def test_the_owner_gets_in_whatever_the_session_s_beginning_does(made: Path) -> None:
    with millstream.server.open(made) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as owner:
            owner.execute("alter role millstream set search_path = nosuch, public")
            owner.execute("drop schema millstream_server cascade")
        assert shown(server.dsn(), "search_path") == ["nosuch, public"]
        assert shown(server.dsn("reader"), "search_path") == ['"$user", public']
    with millstream.server.open(made) as server, psycopg.connect(server.dsn()) as owner:
        assert owner.execute("select evtname from pg_event_trigger").fetchall() == [("millstream_session",)]
