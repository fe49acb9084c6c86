"""The way in from other machines: TLS on the listened addresses, in front of a PostgreSQL that stays on loopback.

The PostgreSQL of the wheel is built without TLS, and one that is not on the network cannot be reached around it. What is
passed on is the protocol as it is; only the first packet, and the answer to the login, are looked at.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import cast

log = logging.getLogger("millstream.gate")

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
TLS_HANDSHAKE = b"\x16"
LOGINS = 50
"""Logins under way at once, as each takes a slot of PostgreSQL's; others wait for their turn."""
LOGINS_OF_ONE = 25
"""The same from one address, so that those of one who never comes to an end keep nobody else out."""


class Gate:
    """Accepts connections, has them encrypted, and joins each with one to PostgreSQL on `upstream`, a port of loopback.

    Plain connections get in from this machine to this machine only. A login that takes longer than `seconds` is ended.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        upstream: Callable[[], int | None],
        seconds: float,
        within: Callable[[socket.socket], bool] | None = None,
    ) -> None:
        self._context = context
        self._within = within or within_machine
        self._upstream = upstream
        self._seconds = seconds
        self._turns = asyncio.Semaphore(LOGINS)
        self._turns_of: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(LOGINS_OF_ONE)
        )
        self._coming: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listeners: Sequence[socket.socket], stop: asyncio.Event) -> None:
        """Let connections in until `stop` is set."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: log.debug("%s", context["message"])
        )
        loops = [asyncio.create_task(self._accept(listener)) for listener in listeners]
        await stop.wait()
        for task in (*loops, *self._tasks):
            task.cancel()
        await asyncio.gather(*loops, *self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is left, or the client has gone
                log.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            client.setblocking(False)
            task = asyncio.create_task(self._enter(client, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _enter(self, client: socket.socket, address: str) -> None:
        """Lead one connection through its login, and look after it until it ends."""
        front = Half()
        try:
            await self._log_in(client, address, front)
            await front.ended.wait()
        finally:
            if front.made:
                front.abort()
                await front.ended.wait()
            else:
                client.close()

    async def _log_in(self, client: socket.socket, address: str, front: Half) -> None:
        self._coming[address] += 1
        try:
            async with self._turns_of[address], self._turns, asyncio.timeout(self._seconds):
                await self._join(client, front)
                await front.logged_in.wait()
        except (OSError, TimeoutError, ssl.SSLError) as error:
            log.info("a connection from %s got no further than its login: %s", address, error or "too slow")
            front.give_up()
        finally:
            self._coming[address] -= 1
            if not self._coming[address]:
                del self._coming[address], self._turns_of[address]

    async def _join(self, client: socket.socket, front: Half) -> None:
        """Read the first packet, and join the connection with one to PostgreSQL, or tell the client why not."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        encrypted = await _wants_tls(client, self._within)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: front, client, ssl=self._context if encrypted else None)
        if encrypted is None:
            front.refuse(
                "28000", "connections to this address are encrypted: sslmode=require (or verify-full)"
            )
            return
        port = self._upstream()
        back = Half(Login(front.logged_in.set))
        try:
            if port is None:
                raise ConnectionRefusedError("it is not ready")
            await loop.create_connection(lambda: back, "127.0.0.1", port)
        except OSError:
            front.refuse("57P03", "the database system is starting up")
            return
        front.join(back)


class Half(asyncio.Protocol):
    """One side of a connection: what it receives, the other side sends, as fast as that takes it."""

    def __init__(self, login: Login | None = None) -> None:
        self._login = login
        self._other: Half | None = None
        self._transport: asyncio.Transport | None = None
        self.logged_in = asyncio.Event()
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()  # until there is somebody to pass it on to

    @property
    def made(self) -> bool:
        """Whether there is a connection yet, which then looks after its socket."""
        return self._transport is not None

    def refuse(self, state: str, text: str) -> None:
        """Say why not, as PostgreSQL would, and end."""
        self.send(_error(state, text))
        self.close()

    def give_up(self) -> None:
        """End at once, also where no connection came about."""
        self.abort()
        if not self.made:
            self.ended.set()

    def join(self, other: Half) -> None:
        """Pass on what either receives to the other from now on."""
        self._other, other._other = other, self
        for half in (self, other):
            half._read(True)

    def data_received(self, data: bytes) -> None:
        if self._login is not None and self._login.sees(data):
            self._login = None
        if self._other is not None:
            self._other.send(data)

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other._read(False)

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other._read(True)

    def _read(self, on: bool) -> None:
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def connection_lost(self, error: Exception | None) -> None:
        for half in (self, self._other):
            if half is not None:
                half.logged_in.set()
                half.ended.set()
                half.close()

    def close(self) -> None:
        """End the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End both sides at once."""
        for half in (self, self._other):
            if half is not None and half._transport is not None:
                half._transport.abort()


class Login:
    """Watches what PostgreSQL answers until it says that the login is good: message R (authentication) with 0 in it."""

    def __init__(self, good: Callable[[], None]) -> None:
        self._good = good
        self._seen = b""

    def sees(self, data: bytes) -> bool:
        """Take the next bytes; say whether there is no more to see."""
        self._seen += data
        while len(self._seen) >= 9:
            kind, length, code = struct.unpack_from("!cii", self._seen)
            if kind == b"R" and code == 0:
                self._good()
                return True
            if len(self._seen) < length + 1:
                break
            self._seen = self._seen[length + 1 :]
        return False


async def _wants_tls(client: socket.socket, within: Callable[[socket.socket], bool]) -> bool | None:
    """Look at the first packet, and agree to TLS; None where it asks for none and must have it."""
    loop = asyncio.get_running_loop()
    while True:
        packet = await _peek(client, 8)
        if packet[:1] == TLS_HANDSHAKE:  # sslnegotiation=direct
            return True
        if len(packet) < 8:
            raise ConnectionResetError("it ended without a word")
        length, code = struct.unpack("!ii", packet)
        if (length, code) == (8, SSL_REQUEST):
            client.recv(8)
            await loop.sock_sendall(client, b"S")
            return True
        if (length, code) == (8, GSS_REQUEST):
            client.recv(8)
            await loop.sock_sendall(client, b"N")
            continue
        if code == CANCEL_REQUEST or within(client):  # to cancel takes a key, and tells nothing
            return False
        client.recv(65536)  # what lies unread when it is closed would take the answer along
        return None


async def _peek(client: socket.socket, size: int) -> bytes:
    """Wait until so many bytes have come (or the first is a handshake's), and leave them where they are."""
    while True:
        try:
            seen = client.recv(size, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(client)
            continue
        if not seen or len(seen) == size or seen[:1] == TLS_HANDSHAKE:
            return seen
        await asyncio.sleep(0.02)


async def _readable(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    come = loop.create_future()

    def note() -> None:
        if not come.done():
            come.set_result(None)

    loop.add_reader(client, note)
    try:
        await come
    finally:
        loop.remove_reader(client)


def within_machine(client: socket.socket) -> bool:
    """Whether a connection goes from this machine to this machine, and nobody else can read along."""
    return all(
        ip_address(name[0].partition("%")[0]).is_loopback
        for name in (client.getsockname(), client.getpeername())
    )


def _error(state: str, text: str) -> bytes:
    """A FATAL error of the protocol."""
    parts = {"S": "FATAL", "V": "FATAL", "C": state, "M": text}
    body = b"".join(key.encode() + value.encode() + b"\0" for key, value in parts.items()) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on every address. Raises OSError whose file name is the address that cannot be had."""
    found: list[socket.socket] = []
    try:
        for address in addresses:
            family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((address, port))
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{address} port {port}") from error
            listener.listen(512)
            listener.setblocking(False)
    except OSError:
        for listener in found:
            listener.close()
        raise
    return found
