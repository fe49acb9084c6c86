"""The supervisor: it owns PostgreSQL and the worker of one home, and starts either again when it dies."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from millstream import server
from millstream.cli.supervision import State, hold, write_state
from millstream.cli.tell import Listener
from millstream.errors import MillstreamError
from millstream.server import Home, Server
from millstream.server.process import Child, rotate, send, tail
from millstream.server.watchdog import Watchdog

log = logging.getLogger("millstream.supervise")

LOOK_SECONDS = 0.2
WORKER_START_SECONDS = 60.0
WORKER_STOP_SECONDS = 15.0


class Backoff:
    """How long to wait before the next start of something that died: 0.2 s, doubled up to 15 s, 0.2 s again once it has
    lived for a minute. Times are seconds of the monotonic clock."""

    FIRST, LONGEST, STEADY = 0.2, 15.0, 60.0

    def __init__(self) -> None:
        self._delay = self.FIRST
        self._started = time.monotonic()
        self.due = self._started

    def started(self) -> None:
        self._started = time.monotonic()

    def died(self) -> float:
        """Note a death; return (and set in `due`) when to start again, as a delay in seconds."""
        now = time.monotonic()
        if now - self._started > self.STEADY:
            self._delay = self.FIRST
        delay, self._delay = self._delay, min(self._delay * 2, self.LONGEST)
        self.due = now + delay
        return delay


class Supervisor:
    """Keeps PostgreSQL and the worker of one home running until told to stop.

    `clock` None keeps the database's setting.
    """

    def __init__(self, home: Home, port: int | None, clock: str | None) -> None:
        self.home = home
        self.port = port
        self.clock = clock
        self.state = State(pid=os.getpid(), started_at=datetime.now(UTC).isoformat())
        self._server: Server | None = None
        self._worker: Child | None = None
        self._server_backoff = Backoff()
        self._worker_backoff = Backoff()
        self._watchdog = Watchdog(lambda: self._server)
        self._watching_ends = threading.Event()

    def run(self, stop: threading.Event, ready: Callable[[Server], None]) -> None:
        """Start both, call `ready`, and look after them until `stop` is set; then stop the worker and the server.

        Raises MillstreamError where either cannot be started the first time; later deaths are remedied.
        """
        with hold(self.home) as is_still_ours:
            write_state(self.home, self.state)
            try:
                self._server = server.open(self.home.path, self.port)
                self.port = None if self._server.external else self._server.port
                threading.Thread(
                    target=self._watchdog.run, args=[self._watching_ends], name="watchdog", daemon=True
                ).start()
                self._start_first_worker()
                self.state.ready = True
                write_state(self.home, self.state)
                ready(self._server)
                while is_still_ours() and not stop.wait(LOOK_SECONDS):
                    self._look()
            finally:
                self._stop()
                if is_still_ours():
                    self.state.worker_pid = None
                    self.state.ready = False
                    write_state(self.home, self.state)
                else:
                    log.error("%s was removed or moved away; what ran there was stopped", self.home.path)

    def _look(self) -> None:
        if self._watchdog.ended != self.state.sessions_ended:
            self.state.sessions_ended = self._watchdog.ended
            write_state(self.home, self.state)
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
            write_state(self.home, self.state)
        if self._worker is None and self._server is not None and time.monotonic() >= self._worker_backoff.due:
            self.state.worker_restarts += 1
            self._start_worker()

    def _restart_server(self) -> None:
        try:
            self._server = server.open(self.home.path, self.port)
        except MillstreamError as error:
            delay = self._server_backoff.died()
            log.error("PostgreSQL cannot be started; next try in %.1f s: %s", delay, error)
            return
        self._server_backoff.started()
        self.state.server_restarts += 1
        write_state(self.home, self.state)
        log.info("PostgreSQL runs again, process %s", self._server.pid)

    def _start_first_worker(self) -> None:
        log_path = self.home.logs / "worker.log"
        log_start = log_path.stat().st_size if log_path.exists() else 0
        listener = Listener()
        try:
            self._start_worker(listener.writing)
        finally:
            listener.close_writing()
        answer = listener.listen(WORKER_START_SECONDS)
        if answer is None:
            raise MillstreamError(
                f"the worker does not start. Its log {log_path} says:\n{tail(log_path, log_start)}"
            )
        if "error" in answer:
            raise MillstreamError(answer["error"])

    def _start_worker(self, tell: int | None = None) -> None:
        log_path = self.home.logs / "worker.log"
        rotate(log_path)
        argv = [sys.executable, "-m", "millstream.cli.work", "--home", str(self.home.path)]
        argv += ["--parent", str(os.getpid())]
        if self.clock is not None:
            argv += ["--clock", self.clock]
        if tell is not None:
            argv += ["--tell", str(tell)]
        self._worker = Child(argv, log_path, os.environ, [] if tell is None else [tell])
        self._worker_backoff.started()
        self.state.worker_pid = self._worker.pid
        write_state(self.home, self.state)
        log.info("the worker runs, process %s", self._worker.pid)

    def _stop(self) -> None:
        self._watching_ends.set()
        if self._worker is not None:
            send(self._worker.pid, signal.SIGTERM)
            if not self._worker.ended(WORKER_STOP_SECONDS):
                log.warning("the worker did not end within %.0f s and is killed", WORKER_STOP_SECONDS)
                send(self._worker.pid, signal.SIGKILL)
                self._worker.ended(5)
        if self._server is not None:
            self._server.stop()
