"""The supervisor: it owns PostgreSQL, the worker and the gate of one home, and starts each again when it dies."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from subprocess import SubprocessError

from millstream import server
from millstream.errors import MillstreamError
from millstream.server import Home, Server
from millstream.server.disk import explain
from millstream.server.process import Child, rotate, send
from millstream.server.watchdog import Watchdog
from millstream.supervisor.backoff import Backoff
from millstream.supervisor.gatekeeper import Gatekeeper
from millstream.supervisor.start_report import start_telling
from millstream.supervisor.state_file import StateFile, SupervisorState, hold

log = logging.getLogger("millstream.supervise")

LOOK_SECONDS = 0.2
WORKER_START_SECONDS = 60.0
WORKER_STOP_SECONDS = 15.0
TIDY_SECONDS = 60.0
LOGS = ("postgresql.log", "worker.log", "supervisor.log", "gate.log")


class Supervisor:
    """Keeps PostgreSQL and the worker of one home running until told to stop.

    `clock` None keeps the database's setting.
    """

    def __init__(self, home: Home, port: int | None, clock: str | None) -> None:
        self.home = home
        self.port = port
        self.clock = clock
        self.state = SupervisorState(pid=os.getpid(), started_at=datetime.now(UTC).isoformat())
        self._state_file = StateFile(home, self.state)
        self._said = ""
        self._gatekeeper = Gatekeeper(home)
        self._server: Server | None = None
        self._worker: Child | None = None
        self._tidy_due = 0.0
        self._server_backoff = Backoff()
        self._worker_backoff = Backoff()
        self._watchdog = Watchdog(lambda: self._server)
        self._watching_ends = threading.Event()

    def run(self, stop: threading.Event, ready: Callable[[Server], None]) -> None:
        """Start both, call `ready`, and look after them until `stop` is set; then stop the worker and the server.

        Raises MillstreamError where either cannot be started the first time; later deaths are remedied.
        """
        with hold(self.home) as is_still_ours:
            self._state_file.write()
            try:
                self._server = server.open(self.home.path, self.port)
                self.port = None if self._server.external else self._server.port
                threading.Thread(
                    target=self._watchdog.run, args=[self._watching_ends], name="watchdog", daemon=True
                ).start()
                start_telling(
                    self._start_worker, self.home.logs / "worker.log", WORKER_START_SECONDS, "the worker"
                )
                self._gatekeeper.open(self._server)
                self.state.ready = True
                self._state_file.write()
                ready(self._server)
                while is_still_ours() and not stop.wait(LOOK_SECONDS):
                    self._look()
            finally:
                self._stop()
                if is_still_ours():
                    self.state.worker_pid = None
                    self.state.ready = False
                    self._state_file.write()
                else:
                    log.error("%s was removed or moved away; what ran there was stopped", self.home.path)

    def _look(self) -> None:
        if self._watchdog.ended != self.state.sessions_ended:
            self.state.sessions_ended = self._watchdog.ended
            self._state_file.write()
        self._state_file.catch_up()
        self._tidy()
        self._gatekeeper.look()
        if self._server is not None and not self._server.is_alive():
            delay = self._server_backoff.died()
            log.warning("PostgreSQL ended; it is started again in %.1f s; see %s", delay, self.home.log_path)
            self._server = None
        if self._server is None and time.monotonic() >= self._server_backoff.due:
            self._restart_server()
        if self._worker is not None and self._worker.ended():
            delay = self._worker_backoff.died()
            log.warning(
                "the worker ended (exit %s); it is started again in %.1f s", self._worker.returncode, delay
            )
            self._worker = None
            self.state.worker_pid = None
            self._state_file.write()
        if self._worker is None and self._server is not None and time.monotonic() >= self._worker_backoff.due:
            self._restart_worker()

    def _restart_worker(self) -> None:
        self.state.worker_restarts += 1
        try:
            self._start_worker()
        except OSError as error:
            delay = self._worker_backoff.died()
            self._say("the worker cannot be started", delay, explain(error, self.home.path))

    def _say(self, what: str, delay: float, why: str) -> None:
        """Log that something has to be tried again; the reason only where it is another one than before."""
        log.error("%s; next try in %.1f s%s", what, delay, "" if why == self._said else f": {why}")
        self._said = why

    def _tidy(self) -> None:
        """Keep the logs small, also while processes live long."""
        if time.monotonic() < self._tidy_due:
            return
        self._tidy_due = time.monotonic() + TIDY_SECONDS
        for name in LOGS:
            with suppress(OSError):
                rotate(self.home.logs / name)

    def _restart_server(self) -> None:
        try:
            self._server = server.open(self.home.path, self.port)
        except (MillstreamError, OSError, SubprocessError) as error:
            self._say("PostgreSQL cannot be started", self._server_backoff.died(), str(error))
            return
        self._server_backoff.started()
        self.state.server_restarts += 1
        self._state_file.write()
        log.info("PostgreSQL runs again, process %s", self._server.pid)

    def _start_worker(self, tell: int | None = None) -> None:
        log_path = self.home.logs / "worker.log"
        argv = [sys.executable, "-m", "millstream.supervisor.worker_process", "--home", str(self.home.path)]
        argv += ["--parent", str(os.getpid())]
        if self.clock is not None:
            argv += ["--clock", self.clock]
        if tell is not None:
            argv += ["--tell", str(tell)]
        self._worker = Child(argv, log_path, os.environ, [] if tell is None else [tell])
        self._worker_backoff.started()
        self.state.worker_pid = self._worker.pid
        self._state_file.write()
        log.info("the worker runs, process %s", self._worker.pid)

    def _stop(self) -> None:
        self._watching_ends.set()
        self._gatekeeper.close()
        if self._worker is not None:
            send(self._worker.pid, signal.SIGTERM)
            if not self._worker.ended(WORKER_STOP_SECONDS):
                log.warning("the worker did not end within %.0f s and is killed", WORKER_STOP_SECONDS)
                send(self._worker.pid, signal.SIGKILL)
                self._worker.ended(5)
        if self._server is not None:
            self._server.stop()
