"""A gateway between clients and the broker that speaks Kafka's protocol: TLS, SASL, and answers changed on their way.

The test broker has neither users nor aborted transactions; through a gateway a client meets them as bytes on a
connection, as it would meet those of Kafka.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

from kafka.protocol.consumer import FetchResponse, JoinGroupResponse
from kafka.protocol.metadata import ApiVersionsResponse, MetadataResponse
from kafka.protocol.producer import ProduceResponse
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from tests.kafka.wire import close

CHANGED = {
    each.API_KEY: each
    for each in (FetchResponse, MetadataResponse, ProduceResponse, JoinGroupResponse, ApiVersionsResponse)
}
UNSUPPORTED_MECHANISM = 33
FAILED = 58
LARGEST = 100 * 1024 * 1024
Change = Callable[[Any], None]


class Gateway:
    """Listens on a port of its own. `users` have passwords; `changes` change the answers of their class in place."""

    def __init__(
        self,
        to: int,
        *,
        tls: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        mechanism: str = "PLAIN",
        changes: dict[Any, Change] | None = None,
    ) -> None:
        self._to = to
        self.tls = tls
        self.users = users
        self.mechanism = mechanism
        self.changes = {each.API_KEY: change for each, change in (changes or {}).items()}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = {self._listener}
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in list(self._open):
            close(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.add(near)
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self.tls is not None:
                raw, near = near, self.tls.wrap_socket(near, server_side=True)
                self._open.discard(raw)
                self._open.add(near)
            with socket.create_connection(("127.0.0.1", self._to)) as far:
                self._open.add(far)
                _Connection(self, near, far).run()
                self._open.discard(far)
        self._open.discard(near)
        close(near)


class _Connection:
    def __init__(self, gateway: Gateway, near: socket.socket, far: socket.socket) -> None:
        self.gateway, self.near, self.far = gateway, near, far
        self.is_known = gateway.users is None
        self.asked: dict[int, tuple[int, int]] = {}
        self.scram: _Scram | None = None

    def run(self) -> None:
        back = threading.Thread(target=self._answers, daemon=True)
        back.start()
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _frame(self.near)
                key, version, correlation = struct.unpack(">hhi", frame[:8])
                if key == SaslHandshakeRequest.API_KEY:
                    self._handshake(frame, version, correlation)
                elif key == SaslAuthenticateRequest.API_KEY:
                    self._authenticate(frame, version, correlation)
                elif self.is_known or key == ApiVersionsResponse.API_KEY:
                    self.asked[correlation] = (key, version)
                    _send(self.far, frame)
                else:
                    break
        close(self.far)
        back.join()

    def _answers(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _frame(self.far)
                (correlation,) = struct.unpack(">i", frame[:4])
                key, version = self.asked.pop(correlation)
                change = self.gateway.changes.get(key)
                if change is not None:
                    answer = CHANGED[key].decode(frame, version=version, header=True)
                    change(answer)
                    frame = _encoded(answer, version, correlation)
                _send(self.near, frame)
        close(self.near)

    def _handshake(self, frame: bytes, version: int, correlation: int) -> None:
        asked = SaslHandshakeRequest.decode(frame, version=version, header=True).mechanism
        code = 0 if asked == self.gateway.mechanism else UNSUPPORTED_MECHANISM
        self._tell(
            SaslHandshakeResponse(error_code=code, mechanisms=[self.gateway.mechanism]), version, correlation
        )

    def _authenticate(self, frame: bytes, version: int, correlation: int) -> None:
        sent = bytes(SaslAuthenticateRequest.decode(frame, version=version, header=True).auth_bytes)
        answer = self._plain(sent) if self.gateway.mechanism == "PLAIN" else self._scrammed(sent)
        self._tell(
            SaslAuthenticateResponse(
                error_code=0 if answer is not None else FAILED,
                error_message=None if answer is not None else "invalid credentials",
                auth_bytes=answer or b"",
                session_lifetime_ms=0,
            ),
            version,
            correlation,
        )

    def _plain(self, sent: bytes) -> bytes | None:
        _, user, password = sent.decode().split("\0")
        self.is_known = (self.gateway.users or {}).get(user) == password
        return b"" if self.is_known else None

    def _scrammed(self, sent: bytes) -> bytes | None:
        if self.scram is None:
            self.scram = _Scram(self.gateway.mechanism, self.gateway.users or {})
            return self.scram.first(sent.decode())
        answer = self.scram.final(sent.decode())
        self.is_known = answer is not None
        return answer

    def _tell(self, answer: Any, version: int, correlation: int) -> None:
        _send(self.near, _encoded(answer, version, correlation))


class _Scram:
    """The server's side of RFC 5802."""

    def __init__(self, mechanism: str, users: dict[str, str]) -> None:
        self.digest = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        self.users = users
        self.salt = secrets.token_bytes(12)

    def first(self, sent: str) -> bytes:
        self.bare = sent.removeprefix("n,,")
        user, nonce = (part[2:] for part in self.bare.split(",")[:2])
        self.password = self.users.get(user, secrets.token_hex())
        self.told = f"r={nonce}{secrets.token_hex(8)},s={base64.b64encode(self.salt).decode()},i=4096"
        return self.told.encode()

    def final(self, sent: str) -> bytes | None:
        body, _, proof = sent.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), self.salt, 4096)
        client = hmac.digest(salted, b"Client Key", self.digest)
        stored = hashlib.new(self.digest, client).digest()
        message = f"{self.bare},{self.told},{body}".encode()
        signed = hmac.digest(stored, message, self.digest)
        if bytes(a ^ b for a, b in zip(client, signed, strict=True)) != base64.b64decode(proof):
            return None
        server = hmac.digest(hmac.digest(salted, b"Server Key", self.digest), message, self.digest)
        return b"v=" + base64.b64encode(server)


def _encoded(answer: Any, version: int, correlation: int) -> bytes:
    answer._header = None  # a version is set before a header
    answer.API_VERSION = version
    answer.with_header(correlation_id=correlation)
    return bytes(answer.encode(header=True))


def _frame(end: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(end, 4))
    if not 0 <= size <= LARGEST:  # what comes is not Kafka's protocol
        raise EOFError
    return _exactly(end, size)


def _exactly(end: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = end.recv(min(size - len(found), 65_536))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _send(end: socket.socket, frame: bytes) -> None:
    end.sendall(struct.pack(">i", len(frame)) + frame)
