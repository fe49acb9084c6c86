"""How many get in, and that nobody who stops in the middle of a login keeps the others out."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Home, Server, ServerError, connections
from millstream.server.answer import interpret
from millstream.server.options import Options, checked, read_options, write_options
from millstream.server.process import wait_until

SMALL = Options(readers=2, writers=3)


@contextmanager
def logins_under_way(port: int, number: int, *, silent: bool = False) -> Iterator[None]:
    """Connections that ask for a role and never answer for its password; or that never say a word."""
    startup = struct.pack("!i", 196608) + b"user\0millstream_reader\0database\0millstream\0\0"
    with ExitStack() as held:
        for _ in range(number):
            client = held.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
            if not silent:
                client.sendall(struct.pack("!i", len(startup) + 4) + startup)
                client.recv(1)  # the question for the password, or the refusal
        yield


def gets_in(server: Server, role: str) -> bool:
    try:
        psycopg.connect(server.dsn(role), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def small(made: Path) -> Iterator[Server]:
    """A server with few connections, and so few slots."""
    write_options(made, SMALL)
    with millstream.server.open(made) as server:
        yield server


def test_each_role_has_the_connections_that_the_home_says(small: Server) -> None:
    for role, number in (("reader", SMALL.readers), ("writer", SMALL.writers)):
        with ExitStack() as held:
            for _ in range(number):
                held.enter_context(psycopg.connect(small.dsn(role)))
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                psycopg.connect(small.dsn(role))
            assert gets_in(small, "owner")


def test_fewer_writers_than_a_load_takes_are_refused() -> None:
    with pytest.raises(ServerError, match="writers is 2; .* from 3 to .*: a load takes three connections"):
        checked(Options(writers=2))
    assert checked(Options(writers=3)).writers == 3


def test_a_hundred_readers_get_in_by_default(shared: Server) -> None:
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(psycopg.connect(shared.dsn("reader")))
        assert gets_in(shared, "writer") and gets_in(shared, "owner")


@pytest.mark.parametrize("silent", [False, True], ids=["half open", "silent"])
def test_logins_that_never_end_are_ended_where_slots_run_short(small: Server, silent: bool) -> None:
    assert small.pid is not None
    with (
        psycopg.connect(small.dsn(), autocommit=True) as kept,
        psycopg.connect(small.dsn("reader")) as reader,
    ):
        with logins_under_way(small.port, 400 if silent else 110, silent=silent):
            assert not gets_in(small, "reader")
            ended = [0]

            def ends() -> bool:
                ended.append(connections.end_half_open(kept, small.pid or 0))
                return gets_in(small, "reader") and gets_in(small, "owner")

            assert wait_until(ends, 4), "they were not let in before the time-out of logins"
            assert sum(ended) > 0
        assert reader.execute("select 1").fetchone() == (1,)  # who is in stays in


def test_few_logins_under_way_are_left_alone(small: Server) -> None:
    assert small.pid is not None
    with psycopg.connect(small.dsn(), autocommit=True) as kept, logins_under_way(small.port, 10):
        oldest = "select count(*) from pg_stat_activity where state = 'starting' and clock_timestamp() - backend_start > '2 s'"
        assert wait_until(lambda: kept.execute(oldest).fetchone() == (10,), 10)
        assert connections.end_half_open(kept, small.pid) == 0


def test_a_full_server_says_who_has_its_connections(small: Server) -> None:
    assert small.pid is not None
    most = SMALL.readers + SMALL.writers + 100
    with ExitStack() as held, pytest.raises(psycopg.OperationalError) as refused:
        held.enter_context(psycopg.connect(small.dsn("reader")))
        for _ in range(most):
            held.enter_context(psycopg.connect(small.dsn("owner")))
    error = refused.value
    with ExitStack() as held:
        held.enter_context(psycopg.connect(small.dsn("reader")))
        held.enter_context(psycopg.connect(small.dsn("owner")))
        pid = small.pid
        assert wait_until(
            lambda: connections.who(pid)["owner"] == 1, 20
        )  # those of before take a moment to end
        answer = interpret(small.home, small, error)
    assert answer.state == "full"
    assert answer.text == "sorry, too many clients already"
    assert dict(answer.connections) == {"reader": 1, "owner": 1}
    assert "millstream up --readers" in answer.remedy


def test_a_dead_server_a_wrong_password_and_a_starting_one_are_told_apart(made: Path) -> None:
    home = Home(made)
    assert interpret(home, None, None).state == "down"
    with millstream.server.open(made) as server:
        wrong = server.dsn().replace("millstream:", "millstream:x", 1)
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(wrong)
        assert interpret(home, server, refused.value).state == "password"
        starting = psycopg.OperationalError("connection failed: FATAL:  the database system is starting up")
        recovering = psycopg.OperationalError(
            "connection failed: FATAL:  the database system is in recovery mode"
        )
        assert interpret(home, server, starting).state == "starting"
        assert interpret(home, server, recovering).state == "recovering"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "one JSON object"),
        ('{"reader": 5}', "unknown: reader; known: .*readers"),
        ('{"readers": 0}', "readers is 0; it must be a number from 1"),
        ('{"readers": "many"}', "readers is 'many'"),
        ('{"readers": true}', "readers is True"),
        ('{"listen": ["example.com"]}', "'example.com' is not an address.*10.0.0.5"),
        ('{"listen": ["10.0.0.5"]}', "10.0.0.5 can be reached from other machines.*--tls"),
        ('{"certificate": "/a.crt"}', "has no key.*--tls CERT KEY"),
        ('{"certificate": 5, "key": "/a.key"}', "certificate is 5"),
    ],
)
def test_a_mistake_in_the_settings_is_named_before_anything_starts(
    home: Path, content: str, message: str
) -> None:
    home.mkdir()
    (home / "settings.json").write_text(content)
    with pytest.raises(ServerError, match=rf"(?s)settings.json.*{message}"):
        millstream.server.open(home)
    assert not (home / "data").exists()


def test_settings_are_written_to_be_read_and_edited(home: Path) -> None:
    home.mkdir()
    write_options(home, SMALL)
    assert json.loads((home / "settings.json").read_text())["readers"] == SMALL.readers
    (home / "settings.json").write_text('{"readers": 7}')
    assert read_options(home) == Options(readers=7)
