"""Processes of the server: start one that dies with us, see whether one lives, and end one."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from millstream.server.home import POLL_SECONDS
from millstream.server.identity import environment

LOG_BYTES = 10_000_000


class Child:
    """A program started as our child, its output appended to a log file; to none where that cannot be opened.

    Raises OSError where it cannot be started (no memory, no process left).

    It is started from, and waited for in, a thread that lives exactly as long as the child: the kernel sends the
    parent-death signal when the *thread* that forked ends, so a short-lived caller's thread would take it along.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log_path: Path,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._argv = list(argv)
        self._pass_fds = pass_fds
        self._env = environment() if env is None else env
        self._log_path = log_path
        self._started = threading.Event()
        self._ended = threading.Event()
        self._error: OSError | None = None
        self.pid = 0
        self.returncode: int | None = None
        try:
            threading.Thread(target=self._run, name=f"child {argv[-1]}", daemon=True).start()
        except RuntimeError as error:  # what Python says where the system has no thread left
            raise OSError(errno.EAGAIN, str(error)) from error
        self._started.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with _open_log(self._log_path) as log:
                process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    pass_fds=self._pass_fds,
                    start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop the child in order
                )
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self.pid = process.pid
        self._started.set()
        self.returncode = process.wait()
        self._ended.set()

    def ended(self, timeout: float | None = 0.0) -> bool:
        """Say whether the child has ended, waiting up to `timeout` seconds (None: for ever)."""
        return self._ended.wait(timeout)


@dataclass(frozen=True)
class Postmaster:
    """The lines of `postmaster.pid` that we use. `status` is starting, stopping, ready or standby; empty while written."""

    pid: int
    port: int | None
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """Read `postmaster.pid`, or return None where there is none yet (or it is still being written)."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not lines or not lines[0].lstrip("-").isdigit():
        return None
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else None
    return Postmaster(abs(int(lines[0])), port, lines[7].strip() if len(lines) > 7 else "")


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that ended but was not yet waited for (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists()
    return state != "Z"


def is_postmaster_of(pid: int, data: Path) -> bool:
    """Say whether `pid` is a PostgreSQL process on `data`, and not a stranger to whom the pid of a dead one has passed.

    PostgreSQL's processes work in their data directory. Where that may not be read, the command line (`-D data`) tells;
    where there is no /proc, any living process counts.
    """
    if not is_alive(pid):
        return False
    process = Path(f"/proc/{pid}")
    if not process.exists():
        return not Path("/proc/self").exists()
    try:
        return _is_postgres(process) and (process / "cwd").resolve() == data.resolve()
    except PermissionError:
        with suppress(OSError):
            return str(data).encode() in (process / "cmdline").read_bytes().split(b"\0")
        return False
    except (FileNotFoundError, ProcessLookupError):
        return False


def leftovers(data: Path) -> list[int]:
    """Return the pids of PostgreSQL processes in `data`: after a kill -9 of the postmaster, those that have not noticed."""
    if not Path("/proc/self").exists():
        return []
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _works_in(entry, data)
    ]


def children(parent: int) -> dict[int, float]:
    """Return the pids of a process's children, with when each was started, in seconds since the machine was."""
    found: dict[int, float] = {}
    ticks = os.sysconf("SC_CLK_TCK")
    with suppress(OSError):  # the parent is gone, or the system is not Linux
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(OSError):
                parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[int(pid)] = int(parts[19]) / ticks
    return found


def title(pid: int) -> str:
    """What a process calls itself in the process list; empty where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _works_in(process: Path, data: Path) -> bool:
    try:
        return _is_postgres(process) and Path(os.readlink(process / "cwd")) == data.resolve()
    except OSError:  # it ended meanwhile, or is another user's
        return False


def _is_postgres(process: Path) -> bool:
    return Path(os.readlink(process / "exe")).name.startswith("postgres")


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is what was wanted."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it holds or `seconds` have passed; say whether it held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end_leftovers(data: Path, seconds: float = 10.0) -> bool:
    """End the backends of a dead postmaster, so that the data directory can be opened; say whether all are gone.

    Killing them is safe: recovery replays the log whatever they were doing.
    """
    if wait_until(lambda: not leftovers(data), 1.0):
        return True
    for pid in leftovers(data):
        send(pid, signal.SIGKILL)
    return wait_until(lambda: not leftovers(data), seconds)


def _open_log(log_path: Path) -> BinaryIO:
    try:
        return log_path.open("ab")
    except OSError:  # a full disk, where the file is not there yet: better without a log than not at all
        return open(os.devnull, "ab")


def rotate(log_path: Path) -> None:
    """Put a log of more than `LOG_BYTES` aside, also while it is written (appended to); one old one is kept.

    On a full disk the old one goes: it is what makes room.
    """
    with suppress(FileNotFoundError):
        if log_path.stat().st_size <= LOG_BYTES:
            return
        old = log_path.with_name(log_path.name + ".1")
        try:
            shutil.copyfile(log_path, old)
        except OSError:
            old.unlink(missing_ok=True)
        os.truncate(log_path, 0)


def tail(path: Path, start: int = 0, lines: int = 12) -> str:
    """Return the last lines that were written to a log after byte `start`, indented."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (nothing was logged)"
