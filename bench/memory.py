"""Memory and processor time of a server and its worker, from /proc (Linux).

Memory is the proportional set size, which counts shared pages once. Processor time tells what work costs even on a
machine that does other things at the same time.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
PARENT = re.compile(r"^PPid:\s+(\d+)", re.MULTILINE)


def children(pid: int) -> list[int]:
    """A process and everything below it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            found = PARENT.search(text(folder / "status"))
            if found is not None:
                parents.setdefault(int(found[1]), []).append(int(folder.name))
    below = [pid]
    for one in below:
        below += parents.get(one, [])
    return below


def text(path: Path) -> str:
    """A file's text; nothing if the process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def mebibytes(pid: int) -> float:
    """The proportional set size of a process and its descendants, in MiB."""
    sizes = (PSS.search(text(Path(f"/proc/{each}/smaps_rollup"))) for each in children(pid))
    return sum(int(found[1]) for found in sizes if found is not None) / MIB


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its living descendants."""
    seconds = 0.0
    for each in children(pid):
        fields = text(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS if fields else 0.0
    return seconds


class Peak:
    """The greatest memory of each named process tree, in MiB, and of all of them together; and their processor time."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = {name: processor_seconds(pid) for name, pid in pids.items()}
        self.mib: dict[str, float] = {}

    def processor_seconds(self) -> dict[str, float]:
        """Processor seconds of each tree since the start; those of sessions that have ended are not in it."""
        return {
            name: round(processor_seconds(pid) - self._before[name], 2) for name, pid in self._pids.items()
        }

    def look(self) -> None:
        now = {name: mebibytes(pid) for name, pid in self._pids.items()}
        now["together"] = sum(now.values())
        self.mib = {name: round(max(size, self.mib.get(name, 0.0)), 1) for name, size in now.items()}


@contextmanager
def watched(pids: dict[str, int], seconds: float = 2.0) -> Iterator[Peak]:
    """Look at the processes every so many seconds within the block."""
    peak, stop = Peak(pids), threading.Event()

    def look() -> None:
        while not stop.wait(seconds):
            peak.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
        peak.look()
