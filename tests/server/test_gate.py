"""TLS in front of PostgreSQL: what gets through, and what does not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from millstream.server import Server
from millstream.server.certificate import Certificate, find_certificate, server_context
from millstream.server.gate import Gate, listen
from millstream.server.options import Options
from millstream.server.process import wait_until

SELF_SIGNED = Options(certificate="self-signed", port=1)
STARTUP = struct.pack("!i", 196608) + b"user\0millstream_reader\0database\0millstream\0\0"


class Door:
    """A gate that runs in a thread: its port, and how to get through it."""

    def __init__(self, port: int, certificate: Certificate, server: Server) -> None:
        self.port = port
        self.certificate = certificate
        self.server = server

    def dsn(self, role: str = "reader", **options: str) -> str:
        parts = urlsplit(self.server.dsn(role))
        place = f"host=127.0.0.1 port={self.port} dbname=millstream user={parts.username} password={parts.password}"
        chosen = {
            "sslmode": "verify-full",
            "sslrootcert": str(self.certificate.path.with_name("ca.crt")),
            **options,
        }
        return " ".join([place, *(f"{name}={value}" for name, value in chosen.items())])


@contextmanager
def door(
    server: Server, home: Path, *, within: bool = False, seconds: float = 5.0, up: bool = True
) -> Iterator[Door]:
    """A gate in front of the server; `within` says whether its clients count as on this machine."""
    home.mkdir(exist_ok=True)
    certificate = find_certificate(home, SELF_SIGNED)
    assert certificate is not None
    listeners = listen(["127.0.0.1"], 0)
    port = listeners[0].getsockname()[1]
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        gate = Gate(
            server_context(certificate), lambda: server.port if up else None, seconds, lambda _: within
        )
        await gate.serve(listeners, stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert wait_until(lambda: bool(loops), 10)
        yield Door(port, certificate, server)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        for listener in listeners:
            listener.close()
    assert not thread.is_alive()


@pytest.fixture
def gate(shared: Server, tmp_path: Path) -> Iterator[Door]:
    """A gate whose clients count as on other machines."""
    with door(shared, tmp_path / "gate") as found:
        yield found


def half_open(port: int) -> socket.socket:
    """A login that stopped after it said who it is."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(struct.pack("!ii", 8, 80877103))
    assert client.recv(1) == b"S"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    encrypted = context.wrap_socket(client)
    encrypted.sendall(struct.pack("!i", len(STARTUP) + 4) + STARTUP)
    encrypted.settimeout(20)
    assert encrypted.recv(1) == b"R"  # asked for the password
    return encrypted


@pytest.mark.parametrize("role", ["reader", "writer", "owner"])
def test_a_client_that_trusts_the_certificate_gets_in_encrypted(gate: Door, role: str) -> None:
    with psycopg.connect(gate.dsn(role)) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("select current_user::text").fetchone() == (connection.info.user,)


def test_a_client_that_begins_with_the_handshake_gets_in(gate: Door) -> None:
    if psycopg.pq.version() < 170000:
        pytest.skip(f"libpq {psycopg.pq.version()} cannot begin with the handshake")
    with psycopg.connect(gate.dsn(sslnegotiation="direct")) as connection:
        assert connection.pgconn.ssl_in_use


def test_much_passes_in_both_directions(gate: Door) -> None:
    with psycopg.connect(gate.dsn("owner")) as connection:
        connection.execute("create temporary table much (number int, text text)")
        with connection.cursor().copy("copy much from stdin") as copy:
            for number in range(20_000):
                copy.write_row((number, "x" * 1000))
        rows = connection.execute("select number, text from much").fetchall()
    assert len(rows) == 20_000 and {len(text) for _, text in rows} == {1000}


def test_a_plain_connection_from_elsewhere_is_refused_with_the_remedy(gate: Door) -> None:
    with pytest.raises(
        psycopg.OperationalError, match="connections to this address are encrypted: sslmode=require"
    ):
        psycopg.connect(gate.dsn(sslmode="disable"))


def test_a_plain_connection_from_this_machine_gets_in(shared: Server, tmp_path: Path) -> None:
    with (
        door(shared, tmp_path / "gate", within=True) as gate,
        psycopg.connect(gate.dsn(sslmode="disable")) as connection,
    ):
        assert not connection.pgconn.ssl_in_use


def test_old_tls_is_refused(gate: Door) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with closing(socket.create_connection(("127.0.0.1", gate.port))) as client:
        client.sendall(struct.pack("!ii", 8, 80877103))
        assert client.recv(1) == b"S"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(client)
    psycopg.connect(gate.dsn()).close()


def test_what_follows_the_wish_for_tls_in_the_clear_does_not_get_in(gate: Door) -> None:
    """CVE-2021-23214: bytes that somebody in between puts before the handshake must not count as the client's."""
    with closing(socket.create_connection(("127.0.0.1", gate.port))) as client:
        client.sendall(struct.pack("!ii", 8, 80877103) + struct.pack("!i", len(STARTUP) + 4) + STARTUP)
        client.settimeout(20)
        answer = b""
        try:
            while part := client.recv(1000):
                answer += part
        except ConnectionError:
            pass
    assert answer[:1] == b"S" and b"SCRAM" not in answer


def test_a_wrong_password_is_said_by_postgresql(gate: Door) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(gate.dsn(password="guess"))


def test_a_statement_can_be_cancelled(gate: Door) -> None:
    with psycopg.connect(gate.dsn()) as connection:
        timer = threading.Timer(0.3, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(
                "with recursive endless (n) as (select 1 union all select n % 9 from endless) select count(*) from endless"
            )
        timer.join()


def test_logins_that_stop_in_the_middle_end_and_others_get_in(shared: Server, tmp_path: Path) -> None:
    with door(shared, tmp_path / "gate", seconds=1.0) as gate, ExitStack() as held:
        stopped = [held.enter_context(closing(half_open(gate.port))) for _ in range(20)]
        with psycopg.connect(gate.dsn()) as connection:
            connection.execute("select 1")
        for client in stopped:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                while client.recv(1000):
                    pass
                raise ConnectionResetError


def test_many_come_at_once_and_all_get_in(gate: Door) -> None:
    got: list[int] = []

    def come() -> None:
        with psycopg.connect(gate.dsn()) as connection:
            got.append(connection.info.backend_pid)

    threads = [threading.Thread(target=come) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 60


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\0", b""], ids=repr)
def test_what_is_no_client_of_ours_harms_nobody(gate: Door, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", gate.port))) as client:
        client.sendall(sent)
    psycopg.connect(gate.dsn()).close()


def test_while_postgresql_is_away_that_is_said(shared: Server, tmp_path: Path) -> None:
    with (
        door(shared, tmp_path / "gate", up=False) as gate,
        pytest.raises(psycopg.OperationalError, match="the database system is starting up"),
    ):
        psycopg.connect(gate.dsn())
