"""What a supervisor leaves for others to read: a lock that lives as long as it does, and a file with its state."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.disk import explain
from millstream.server.files import try_lock, write_whole
from millstream.server.process import wait_until

log = logging.getLogger("millstream.supervise")

Clock = Literal["wall", "event"]
CLOCKS: tuple[str, ...] = get_args(Clock)


@dataclass
class SupervisorState:
    """What the supervisor last wrote. Times are ISO 8601 in UTC; counts are since it started."""

    pid: int
    started_at: str
    worker_pid: int | None = None
    worker_restarts: int = 0
    server_restarts: int = 0
    sessions_ended: int = 0  # by the watchdog
    ready: bool = False


class AlreadyUp(MillstreamError):
    """Another supervisor holds this home."""


@contextmanager
def hold(home: Home) -> Iterator[Callable[[], bool]]:
    """Hold the home's supervisor lock; give a function that says whether the home is still the one that we hold.

    It is not when somebody removed or moved the directory. Raises AlreadyUp where another process holds the lock; the
    kernel frees it if we die.
    """
    home.prepare()
    path = home.path / "supervisor.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise MillstreamError(f"cannot hold the home: {explain(error, home.path)}") from error

    def is_still_ours() -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    try:
        # `is_held` takes the lock for a moment, so one refusal proves nothing.
        if not wait_until(lambda: try_lock(descriptor), 1.0):
            raise AlreadyUp(f"Millstream is already up in {home.path}. Look with: millstream status")
        yield is_still_ours
    finally:
        os.close(descriptor)


def is_held(home: Home) -> bool:
    """Say whether a supervisor of this home lives."""
    try:
        descriptor = os.open(home.path / "supervisor.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise MillstreamError(f"cannot look at the home: {explain(error, home.path)}") from error
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def write_state(home: Home, state: SupervisorState) -> None:
    """Replace the state file in one step. Raises OSError, and leaves it as it was, where the disk takes nothing."""
    write_whole(home.path / "supervisor.json", json.dumps(asdict(state), indent=2) + "\n")


def read_state(home: Home) -> SupervisorState | None:
    """Return what the last supervisor wrote, whether it lives or not; None where there never was one."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return SupervisorState(**json.loads((home.path / "supervisor.json").read_text()))
    return None


class StateFile:
    """The supervisor's own hand on its state file: what a full disk does not take is kept, and written when there is room."""

    def __init__(self, home: Home, state: SupervisorState, retry_seconds: float = 5.0) -> None:
        self._home = home
        self._retry_seconds = retry_seconds
        self._state = state
        self._due: float | None = None  # when to try again what the disk did not take

    def write(self) -> None:
        """Write the state as it is now."""
        try:
            write_state(self._home, self._state)
        except OSError as error:
            if self._due is None:
                log.error("the state is kept in memory: %s", explain(error, self._home.path))
            self._due = time.monotonic() + self._retry_seconds
        else:
            if self._due is not None:
                log.info("the state is on the disk again")
            self._due = None

    def catch_up(self) -> None:
        """Write what could not be written before, if it is time to try again."""
        if self._due is not None and time.monotonic() >= self._due:
            self.write()
