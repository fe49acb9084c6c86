"""Sessions over their limits are ended, whatever they set for themselves, and changed roles are mended."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

import millstream.server
from millstream.server import Server, roles, watchdog
from millstream.server.process import wait_until
from millstream.server.watchdog import Watchdog

# What a session may set for itself, so that PostgreSQL does not end it.
AWAY = (
    "set default_transaction_read_only = off; set statement_timeout = 0; set transaction_timeout = 0;"
    "set idle_in_transaction_session_timeout = 0; set idle_session_timeout = 0; set work_mem = '2GB'"
)
ENDLESS = b"select count(*) from generate_series(1, 1000000000000) as a (n)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    """A server for all tests here: what they change, the watchdog mends."""
    path = shutil.copytree(template, tmp_path_factory.mktemp("watched") / "home")
    with millstream.server.open(path) as opened:
        yield opened


@pytest.fixture
def dog(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchdog]:
    """A watchdog with little patience."""
    monkeypatch.setattr(watchdog, "SLACK_SECONDS", 0.0)
    made = Watchdog(lambda: server)
    yield made
    made.close()


@pytest.fixture
def sessions(server: Server) -> Iterator[Callable[..., psycopg.Connection]]:
    """Opens a session of a role without limits of its own."""
    with ExitStack() as held:

        def session(role: str, *statements: str) -> psycopg.Connection:
            conn = held.enter_context(psycopg.connect(server.dsn(role), autocommit=True))
            for statement in (AWAY, *statements):
                conn.execute(statement.encode())
            return conn

        yield session


def is_ended(conn: psycopg.Connection) -> bool:
    try:
        conn.execute("select 1")
    except psycopg.OperationalError:
        return True
    return False


def looks_until_gone(dog: Watchdog, conn: psycopg.Connection) -> bool:
    """Look again and again until the session has been ended."""

    def gone() -> bool:
        dog.look()
        return dog.ended > 0

    return wait_until(gone, 20) and wait_until(lambda: is_ended(conn), 20)


@pytest.mark.parametrize(
    ("role", "limit", "statements"),
    [
        ("reader", "idle_session_timeout", ()),
        ("reader", "idle_in_transaction_session_timeout", ("begin", "select 1")),
        ("reader", "transaction_timeout", ("begin isolation level repeatable read", "select 1")),
        ("writer", "idle_in_transaction_session_timeout", ("begin", "select 1")),
        ("writer", "idle_in_transaction_session_timeout", ("begin", "savepoint s; select 1; rollback to s")),
        ("writer", "transaction_timeout", ("begin isolation level repeatable read", "select 1")),
    ],
)
def test_a_session_that_set_a_limit_away_is_ended_at_it(
    dog: Watchdog,
    sessions: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    role: str,
    limit: str,
    statements: tuple[str, ...],
) -> None:
    conn = sessions(role, *statements)
    for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        monkeypatch.setitem(roles.LIMITS[role], setting, "50ms" if setting == limit else "1h")
    assert looks_until_gone(dog, conn)
    assert f"{limit} is 50ms" in caplog.text
    assert f"of millstream_{role}" in caplog.text


def run_until_ended(conn: psycopg.Connection, statement: bytes) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"terminating|closed"):
        conn.execute(statement)


@pytest.mark.parametrize(
    ("limit", "value", "statement", "said"),
    [
        ("statement_timeout", "50ms", ENDLESS, "statement_timeout is 50ms"),
        (
            "memory",
            64 * 2**20,
            b"select count(*) from (select repeat(n::text, 50) as t from generate_series(1, 100000000) as a (n) order by t) as s",
            "MB of memory",
        ),
    ],
)
def test_a_statement_over_a_limit_is_ended(
    dog: Watchdog,
    sessions: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit: str,
    value: str | int,
    statement: bytes,
    said: str,
) -> None:
    conn = sessions("reader")
    if isinstance(value, int):
        monkeypatch.setitem(roles.LIMITS["reader"], "statement_timeout", "1h")
        monkeypatch.setitem(watchdog.MEMORY, "reader", value)
    else:
        monkeypatch.setitem(roles.LIMITS["reader"], limit, value)
    thread = threading.Thread(target=run_until_ended, args=[conn, statement])
    thread.start()
    assert looks_until_gone(dog, conn)
    thread.join(20)
    assert said in caplog.text


def test_sessions_that_together_fill_the_disk_with_temporary_files_are_ended(
    dog: Watchdog,
    sessions: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each stays within its own limit: a cursor keeps its rows in a file until the session ends."""
    rows = "select repeat(n::text, 100) from generate_series(1, 60000) as a (n)"
    hoards = [
        sessions("reader", "set work_mem = '64kB'", f"declare c cursor with hold for {rows}")
        for _ in range(3)
    ]
    modest = sessions("reader", "select 1")
    dog.look()
    assert dog.ended == 0
    monkeypatch.setattr(watchdog, "TEMPORARY", 40 * 2**20)

    def one_is_gone() -> bool:
        dog.look()
        return any(map(is_ended, hoards))

    assert wait_until(one_is_gone, 20)
    assert sum(map(is_ended, hoards)) < len(hoards)
    assert not is_ended(modest)
    assert "MB in temporary files" in caplog.text


def test_a_session_with_too_many_locks_is_ended(
    dog: Watchdog,
    server: Server,
    sessions: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        for number in range(20):
            owner.execute(
                f"create table t{number} (); grant select on t{number} to millstream_reader".encode()
            )
        owner.execute("grant usage on schema public to millstream_reader")
    tables = ", ".join(f"public.t{number}" for number in range(20))
    conn = sessions("reader", "begin", f"lock table {tables} in access share mode")
    monkeypatch.setattr(watchdog, "LOCKS", 10)
    assert looks_until_gone(dog, conn)
    assert "and 10 are allowed; commit more often" in caplog.text


@pytest.mark.parametrize("statements", [("listen x", "begin", "select 1"), ("notify x",)])
def test_who_fills_the_queue_of_notifications_is_ended(
    dog: Watchdog,
    sessions: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    statements: tuple[str, ...],
) -> None:
    monkeypatch.setattr(watchdog, "FULL_QUEUE", -1.0)
    quiet, loud = sessions("writer", "select 1"), sessions("reader", *statements)
    assert looks_until_gone(dog, loud)
    assert not is_ended(quiet)
    assert "the queue of notifications" in caplog.text


def test_the_owner_and_who_keeps_the_limits_are_left_alone(
    dog: Watchdog, server: Server, sessions: Callable[..., psycopg.Connection]
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute("begin")
        reader, writer = sessions("reader"), sessions("writer", "begin", "select 1")
        for _ in range(3):
            dog.look()
        assert not any(is_ended(conn) for conn in (owner, reader, writer))
    assert dog.ended == 0


def kept(server: Server) -> list[tuple[object, ...]]:
    """Everything of the roles that the watchdog looks after, the password's random salt left out."""
    with psycopg.connect(server.dsn()) as owner:
        return owner.execute(
            "select a.rolname, a.rolsuper, a.rolcreatedb, a.rolconnlimit, s.setdatabase,"
            " array(select unnest(s.setconfig) order by 1)"
            " from pg_authid as a left join pg_db_role_setting as s on s.setrole = a.oid"
            " where a.rolname like 'millstream\\__%' order by 1, 5"
        ).fetchall()


@pytest.mark.parametrize("role", ["reader", "writer"])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("alter role {} set search_path = nosuch", "search_path"),
        ("alter role {} set statement_timeout = '1ms'", "statement_timeout"),
        ("alter role {} in database millstream set work_mem = '2GB'", "settings in one database"),
        ("alter role {} reset all", "TimeZone"),
        ("alter role {} password 'mine'", "password"),
        ("alter role {} password null", "password"),
    ],
)
def test_a_role_that_changed_itself_is_mended(
    dog: Watchdog, server: Server, caplog: pytest.LogCaptureFixture, role: str, statement: str, said: str
) -> None:
    before = kept(server)
    dog.look()
    assert not caplog.records
    dog.close()  # while it looks, no role changes itself
    with psycopg.connect(server.dsn(role), autocommit=True) as conn:
        conn.execute("set default_transaction_read_only = off")
        conn.execute(statement.format(f"millstream_{role}").encode())
    dog.look()
    assert kept(server) == before
    assert [f"millstream_{role}" in r.getMessage() and said in r.getMessage() for r in caplog.records] == [
        True
    ]
    caplog.clear()
    dog.look()
    assert not caplog.records
    with psycopg.connect(server.dsn(role)) as again:
        assert again.execute("show search_path").fetchone() == ('"$user", public',)


def test_a_role_that_the_owner_made_mighty_is_mended(dog: Watchdog, server: Server) -> None:
    before = kept(server)
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute("alter role millstream_reader superuser createdb connection limit 1000")
    dog.look()
    assert kept(server) == before


@pytest.fixture
def watched(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchdog]:
    """A watchdog that looks all the time, and has the roles locked."""
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.05)
    stop, made = threading.Event(), Watchdog(lambda: server)
    thread = threading.Thread(target=made.run, args=[stop])
    thread.start()
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        held = (
            "select count(*) = 2 from pg_locks where mode = 'ShareLock' and granted"
            " and relation in ('pg_authid'::regclass, 'pg_db_role_setting'::regclass)"
        )
        assert wait_until(lambda: owner.execute(held).fetchone() == (True,), 20)
    yield made
    stop.set()
    thread.join(20)


@pytest.mark.parametrize("role", ["reader", "writer"])
@pytest.mark.parametrize(
    "change", ["password 'mine'", "set search_path = nosuch", "in database millstream reset all"]
)
def test_no_role_changes_itself_while_it_is_watched(
    watched: Watchdog, server: Server, sessions: Callable[..., psycopg.Connection], role: str, change: str
) -> None:
    before = kept(server)
    for _ in range(3):
        conn = sessions(role)
        with pytest.raises(psycopg.OperationalError):
            conn.execute(f"alter role millstream_{role} {change}".encode())
        psycopg.connect(server.dsn(role)).close()
    assert kept(server) == before


def test_the_owner_makes_roles_while_they_are_watched(watched: Watchdog, server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        for _ in range(3):
            owner.execute("create role analyst login")
            owner.execute("alter role analyst set statement_timeout = '1min'")
            owner.execute("drop role analyst")
    assert watched.ended == 0


def test_the_lock_on_the_roles_keeps_no_snapshot(watched: Watchdog, server: Server) -> None:
    """Vacuum could remove nothing that was deleted since."""
    looks: set[datetime] = set()
    with psycopg.connect(server.dsn(), autocommit=True) as owner:

        def looked_often() -> bool:
            row = owner.execute(
                "select state_change from pg_stat_activity where application_name = 'millstream role lock'"
            ).fetchone()
            assert row is not None
            looks.add(row[0])
            return len(looks) > 10

        assert wait_until(looked_often, 20)
        snapshots = (
            "select count(*) from pg_stat_activity where application_name = 'millstream role lock'"
            " and state = 'idle in transaction' and (backend_xmin is not null or backend_xid is not null)"
        )
        assert owner.execute(snapshots).fetchone() == (0,)


def test_a_session_that_keeps_a_change_of_its_role_open_is_ended(
    dog: Watchdog, server: Server, sessions: Callable[..., psycopg.Connection]
) -> None:
    """It would be in the way of mending the role, and of looking after everybody else."""
    before = kept(server)
    sessions("reader", "alter role millstream_reader in database millstream set application_name = 'x'")
    conn = sessions("reader", "begin", "alter role millstream_reader password 'mine'")
    assert looks_until_gone(dog, conn)
    assert wait_until(lambda: (dog.look(), kept(server) == before)[1], 20)


def test_nobody_keeps_the_settings_from_being_read(sessions: Callable[..., psycopg.Connection]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sessions("reader", "begin", "lock table pg_settings in access exclusive mode")


def test_it_goes_on_after_the_server_was_away(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watchdog, "RETRY_SECONDS", 0.01)
    caplog.set_level(logging.WARNING)
    stop, dog = threading.Event(), Watchdog(lambda: server)
    thread = threading.Thread(target=dog.run, args=[stop])
    thread.start()
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        ours = "select count(*) from pg_stat_activity where application_name = 'millstream watchdog'"
        assert wait_until(lambda: owner.execute(ours).fetchone() == (1,), 20)
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millstream watchdog'"
        )
        assert wait_until(lambda: "nobody holds writer and reader" in caplog.text, 20)
        owner.execute("alter role millstream_reader set search_path = nosuch")
        assert wait_until(lambda: "is set back" in caplog.text, 20)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("text", "value"), [("50ms", 0.05), ("5s", 5), ("1min", 60), ("2h", 7200), ("1d", 86400)]
)
def test_times_are_read_as_settings_give_them(text: str, value: float) -> None:
    assert watchdog.seconds(text) == pytest.approx(value)


def test_a_verifier_fits_its_password_and_no_other(server: Server) -> None:
    with psycopg.connect(server.dsn()) as owner:
        row = owner.execute(
            "select rolpassword from pg_authid where rolname = 'millstream_reader'"
        ).fetchone()
    assert row is not None
    password = urlsplit(server.dsn("reader")).password or ""
    assert roles.fits(row[0], password)
    assert not any(roles.fits(row[0], other) for other in ("", password + "x", password[1:]))
    assert not any(roles.fits(other, password) for other in (None, "", "md5abc", "SCRAM-SHA-256$4096:x$y:z"))
