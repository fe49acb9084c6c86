"""Looks after the gate, where there is TLS."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from millstream.server import Home, Server
from millstream.server.process import Child, send
from millstream.supervisor.backoff import Backoff
from millstream.supervisor.start_report import start_telling

log = logging.getLogger("millstream.supervise")

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class Gatekeeper:
    """Runs the gate beside PostgreSQL and starts it again when it dies."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._gate: Child | None = None
        self._wanted = False
        self._backoff = Backoff()

    def open(self, server: Server) -> None:
        """Start the gate for the first time, if the home wants one. Raises MillstreamError where it cannot be started."""
        self._wanted = server.options.tls and not server.external
        if not self._wanted:
            return
        start_telling(self._start, self._home.logs / "gate.log", START_SECONDS, "the gate")

    def look(self) -> None:
        """Start the gate again where it has ended."""
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

    def close(self) -> None:
        """Stop the gate: nobody new gets in, and who is in is let go."""
        if self._gate is not None:
            send(self._gate.pid, signal.SIGTERM)
            if not self._gate.ended(STOP_SECONDS):
                send(self._gate.pid, signal.SIGKILL)
                self._gate.ended(STOP_SECONDS)

    def _start(self, tell: int | None = None) -> None:
        argv = [sys.executable, "-m", "millstream.supervisor.gate_process", "--home", str(self._home.path)]
        argv += ["--parent", str(os.getpid())]
        if tell is not None:
            argv += ["--tell", str(tell)]
        self._gate = Child(argv, self._home.logs / "gate.log", os.environ, [] if tell is None else [tell])
        self._backoff.started()
