"""Who gets in, how, and what each role may do."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from millstream.server import Server
from millstream.server.home import new_password


def setting(dsn: str, name: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("role", ["owner", "writer", "reader"])
def test_every_role_logs_in_with_its_password_and_with_no_other(shared: Server, role: str) -> None:
    with psycopg.connect(shared.dsn(role)) as connection:
        assert connection.info.dbname == "millstream"
    parts = urlsplit(shared.dsn(role))
    for password in (new_password(), ""):
        wrong = parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}").geturl()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)


def test_passwords_are_stored_as_scram_verifiers(shared: Server) -> None:
    with psycopg.connect(shared.dsn()) as connection:
        rows = connection.execute(
            "select rolname, rolpassword from pg_authid where rolcanlogin order by rolname"
        ).fetchall()
    assert [name for name, _ in rows] == ["millstream", "millstream_reader", "millstream_writer"]
    assert all(verifier.startswith("SCRAM-SHA-256$") for _, verifier in rows)


def test_the_password_file_is_private_and_the_process_list_shows_no_password(shared: Server) -> None:
    path = shared.home.server_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    command = Path(f"/proc/{shared.pid}/cmdline").read_text()
    environment = Path(f"/proc/{shared.pid}/environ").read_text()
    for password in shared.home.read().passwords.values():
        assert password not in command + environment + shared.home.log_path.read_text()


def test_it_listens_on_loopback_and_nowhere_else(shared: Server) -> None:
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rpartition(":")[2], 16) == shared.port:
                listening.append(local.rpartition(":")[0])
    assert listening == ["0100007F"]
    assert setting(shared.dsn(), "unix_socket_directories") == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TimeZone", "UTC"),
        ("jit", "off"),
        ("synchronous_commit", "on"),
        ("server_encoding", "UTF8"),
        ("shared_buffers", "512MB"),
        ("autovacuum_naptime", "5s"),
        ("autovacuum_analyze_threshold", "5000"),
        ("data_checksums", "on"),
        ("max_connections", "220"),
        ("superuser_reserved_connections", "40"),
        ("authentication_timeout", "5s"),
    ],
)
def test_the_settings_are_in_force(shared: Server, name: str, value: str) -> None:
    assert setting(shared.dsn(), name) == value


def test_text_is_ordered_by_code_point_and_letters_beyond_ascii_are_letters(shared: Server) -> None:
    with psycopg.connect(shared.dsn()) as connection:
        row = connection.execute(
            "select array(select x from unnest(array['é', 'b', 'B', 'a']) as t(x) order by x), lower('ÉÑ')"
        ).fetchone()
    assert row == (["B", "a", "b", "é"], "éñ")


def test_your_own_settings_win_over_ours(made: Path) -> None:
    import millstream.server

    with millstream.server.open(made):
        (made / "data" / "local.conf").write_text("work_mem = '7MB'\n")
    with millstream.server.open(made) as again:
        assert setting(again.dsn(), "work_mem") == "7MB"
        assert setting(again.dsn(), "jit") == "off"


def test_a_reader_s_prepared_statement_is_planned_once(shared: Server) -> None:
    with psycopg.connect(shared.dsn("reader"), autocommit=True) as connection:
        connection.execute("prepare one (text) as select oid from pg_class where relname = $1")
        connection.execute("execute one ('pg_class')")
        row = connection.execute("select generic_plans, custom_plans from pg_prepared_statements").fetchone()
    assert row == (1, 0)


def test_the_reader_cannot_write_and_cannot_run_for_long(shared: Server) -> None:
    with psycopg.connect(shared.dsn("reader"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create temporary table t ()")
        limits = connection.execute(
            "select current_setting('statement_timeout'), current_setting('transaction_timeout'),"
            " current_setting('idle_in_transaction_session_timeout')"
        ).fetchone()
        assert limits == ("5s", "30s", "10s")
        connection.execute("set statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select count(*) from generate_series(1, 1000000000000) as a (n)")


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_applications_may_make_nothing_outside_what_is_granted(shared: Server, role: str) -> None:
    with psycopg.connect(shared.dsn(role), autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        for statement in ("create table public.t ()", "create schema s", "create temporary table t ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(urlsplit(shared.dsn(role))._replace(path="/postgres").geturl())


def test_an_unknown_role_is_named_with_those_that_exist(shared: Server) -> None:
    from millstream.server import ServerError

    with pytest.raises(ServerError, match="owner, writer, reader"):
        shared.dsn("admin")
