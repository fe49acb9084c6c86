"""A server that runs: its addresses for each role, whether it lives, and how it is stopped."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode, urlsplit

from millstream.server.disk import shortage
from millstream.server.errors import ServerError
from millstream.server.home import DATABASE, ROLES, Home
from millstream.server.options import AUTHORITY, SELF_SIGNED, TLS_FOLDER, Options
from millstream.server.process import (
    Child,
    end_leftovers,
    is_postmaster_of,
    read_postmaster,
    send,
    tail,
    wait_until,
)

HOST = "127.0.0.1"

# How long each way of stopping may take, in seconds: fast shutdown (sessions are ended, a checkpoint is written),
# immediate shutdown (recovery at the next start), kill.
STOPPING = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class Server:
    """A running PostgreSQL and the ways into it.

    As a context manager it stops the server at the end only if this object started it. `external` is true for a server
    of one's own (`MILLSTREAM_DSN`), which is never stopped: there `pid` and `log_path` are None.
    """

    def __init__(
        self,
        home: Home,
        dsns: dict[str, str],
        *,
        host: str = HOST,
        port: int,
        pid: int | None = None,
        child: Child | None = None,
        external: bool = False,
        options: Options | None = None,
    ) -> None:
        self.home = home
        self.host = host
        self.port = port
        self.pid = pid
        self.external = external
        self.options = options or Options()
        self.log_path: Path | None = None if external else home.log_path
        self._dsns = dsns
        self._child = child
        self._maker = os.getpid()

    def __repr__(self) -> str:
        return f"Server(home={str(self.home.path)!r}, host={self.host!r}, port={self.port}, pid={self.pid})"

    def dsn(self, role: str = "owner") -> str:
        """Return the connection string, password included, of owner, writer or reader (default owner)."""
        try:
            return self._dsns[role]
        except KeyError:
            if role in ROLES:
                raise ServerError(
                    f"the password of {ROLES[role]} is not in {self.home.server_file}. "
                    "Stop and start the server: millstream down, millstream up"
                ) from None
            raise ServerError(f"there is no role {role!r}; the roles are {', '.join(ROLES)}") from None

    def public_dsn(self, role: str = "reader", host: str | None = None) -> str:
        """Return the connection string for applications: through TLS where there is TLS, else as `dsn`.

        `host` is the name by which the application's machine knows this one; default, this machine itself, or the one
        address that is listened on.
        """
        if self.external or not self.options.tls:
            return self.dsn(role)
        public = [address for address in self.options.listen if not ip_address(address).is_unspecified]
        host = host or (public[0] if len(public) == len(self.options.listen) == 1 else HOST)
        parts = urlsplit(self.dsn(role))
        place = f"[{host}]" if ":" in host else host
        trust = {"sslmode": "require"}
        if self.options.certificate == SELF_SIGNED:
            trust = {"sslmode": "verify-full", "sslrootcert": str(self.home.path / TLS_FOLDER / AUTHORITY)}
        return parts._replace(
            netloc=f"{parts.username}:{parts.password}@{place}:{self.options.port}",
            query=urlencode(trust, safe="/"),
        ).geturl()

    @property
    def started_here(self) -> bool:
        """Whether this object started the server (it then ends with this process)."""
        return self._child is not None and self._maker == os.getpid()

    def is_alive(self) -> bool:
        """Say whether the server process still runs (of a server of one's own: always, only a connection can tell)."""
        if self.pid is None:
            return True
        if self._child is not None:
            return not self._child.ended()
        return is_postmaster_of(self.pid, self.home.data)

    def stop(self) -> None:
        """Stop the server cleanly, by force if it does not go; nothing happens if it does not run or is external."""
        if self.external:
            return
        if (
            not self.home.path.exists()
        ):  # removed or moved away while it ran: there is nothing to lock or to note
            self._end()
            return
        with self.home.lock():
            self._end()
            content = self.home.read()
            if content.pid == self.pid:
                content.pid = None
                with suppress(OSError):  # a full disk: the pid of a process that is gone misleads nobody
                    self.home.write(content)

    def _end(self) -> None:
        assert self.pid is not None
        for number, seconds in STOPPING:
            if not self.is_alive():
                break
            try:
                send(self.pid, number)
            except PermissionError:
                raise ServerError(
                    f"PostgreSQL (process {self.pid}) in {self.home.data} belongs to another user. "
                    "Stop it as that user."
                ) from None
            wait_until(lambda: not self.is_alive(), seconds)
            postmaster = read_postmaster(self.home.data)
            if number is signal.SIGKILL and postmaster is not None and postmaster.pid == self.pid:
                end_leftovers(self.home.data)
        if self.is_alive():
            raise ServerError(
                f"PostgreSQL (process {self.pid}) does not end, not even killed. See {self.log_path}."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.started_here:
            self.stop()


def stop_at_exit(server: Server) -> None:
    """Stop a server that this process started (not a copy of it made by fork) when the process ends in order."""
    if server.started_here and server.is_alive():
        server.stop()


def await_ready(home: Home, child: Child, log_start: int, timeout: float) -> None:
    """Wait until the postmaster `child` accepts connections. Raises ServerError with the log if it ends or is too slow.

    Ready means that line 1 of postmaster.pid is the child's pid and line 8 says ready.
    """
    deadline = time.monotonic() + timeout
    while True:
        if child.ended(0.01):
            raise ServerError(
                f"PostgreSQL ended at once (exit {child.returncode}). Its log {home.log_path} says:\n"
                + f"{tail(home.log_path, log_start)}\n{shortage(home.path)}".rstrip()
            )
        postmaster = read_postmaster(home.data)
        if postmaster and postmaster.pid == child.pid and postmaster.status == "ready":
            return
        if time.monotonic() > deadline:
            send(child.pid, signal.SIGQUIT)
            child.ended(10)
            raise ServerError(
                f"PostgreSQL was not ready after {timeout:.0f} s; it was stopped. Its log {home.log_path} says:\n"
                + tail(home.log_path, log_start)
            )


def loopback_dsns(port: int, passwords: dict[str, str]) -> dict[str, str]:
    """Return the URL of each role on the embedded server."""
    return {
        kind: f"postgresql://{name}:{quote(passwords[kind], safe='')}@{HOST}:{port}/{DATABASE}"
        for kind, name in ROLES.items()
        if kind in passwords
    }
