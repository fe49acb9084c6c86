"""Looks after the ways in: the gate, where there is TLS, and logins that take slots and never come to their end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress

import psycopg

from millstream.cli.backoff import Backoff
from millstream.cli.tell import Listener
from millstream.errors import MillstreamError
from millstream.server import Home, Server, connections
from millstream.server.process import Child, send, tail

log = logging.getLogger("millstream.supervise")

LOOK_SECONDS = 0.5
START_SECONDS = 30.0
STOP_SECONDS = 5.0


class Gatekeeper:
    """Runs the gate beside PostgreSQL and starts it again when it dies, and keeps slots of PostgreSQL's free.

    The connection for the latter is kept open: when slots are short, it would be too late to make one.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._gate: Child | None = None
        self._wanted = False
        self._backoff = Backoff()
        self._connection: psycopg.Connection | None = None
        self._connect_due = 0.0
        self._look_due = 0.0

    def open(self, server: Server) -> None:
        """Start the gate for the first time, if the home wants one. Raises MillstreamError where it cannot be started."""
        self._wanted = server.options.tls and not server.external
        if not self._wanted:
            return
        log_path = self._home.logs / "gate.log"
        log_start = log_path.stat().st_size if log_path.exists() else 0
        listener = Listener()
        try:
            self._start(listener.writing)
        finally:
            listener.close_writing()
        answer = listener.listen(START_SECONDS)
        if answer is None:
            raise MillstreamError(
                f"the gate does not start. Its log {log_path} says:\n{tail(log_path, log_start)}"
            )
        if "error" in answer:
            raise MillstreamError(answer["error"])

    def look(self, server: Server | None) -> None:
        """Start the gate again where it has ended, and end logins that take too many slots."""
        if self._wanted and self._gate is not None and self._gate.ended():
            delay = self._backoff.died()
            log.warning(
                "the gate ended (exit %s); it is started again in %.1f s", self._gate.returncode, delay
            )
            self._gate = None
        if self._wanted and self._gate is None and time.monotonic() >= self._backoff.due:
            try:
                self._start()
            except OSError as error:
                log.error("the gate cannot be started; next try in %.1f s: %s", self._backoff.died(), error)
        if server is not None and not server.external and time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + LOOK_SECONDS
            self._keep_slots_free(server)

    def close(self) -> None:
        """Stop the gate: nobody new gets in, and who is in is let go."""
        self._disconnect()
        if self._gate is not None:
            send(self._gate.pid, signal.SIGTERM)
            if not self._gate.ended(STOP_SECONDS):
                send(self._gate.pid, signal.SIGKILL)
                self._gate.ended(STOP_SECONDS)

    def _start(self, tell: int | None = None) -> None:
        argv = [sys.executable, "-m", "millstream.cli.gate", "--home", str(self._home.path)]
        argv += ["--parent", str(os.getpid())]
        if tell is not None:
            argv += ["--tell", str(tell)]
        self._gate = Child(argv, self._home.logs / "gate.log", os.environ, [] if tell is None else [tell])
        self._backoff.started()

    def _keep_slots_free(self, server: Server) -> None:
        assert server.pid is not None
        try:
            if self._connection is None:
                if time.monotonic() < self._connect_due:
                    return
                self._connection = psycopg.connect(
                    server.dsn("owner"),
                    autocommit=True,
                    connect_timeout=5,
                    application_name="millstream supervisor",
                )
            ended = connections.end_half_open(self._connection, server.pid)
        except (psycopg.Error, MillstreamError):  # it restarts, or is full: again in a moment
            self._disconnect()
            self._connect_due = time.monotonic() + 1.0
            return
        if ended:
            log.warning(
                "%s logins that stopped in the middle were ended, as they took the last free slots", ended
            )

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
