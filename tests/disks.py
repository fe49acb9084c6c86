"""Small disks that tests fill: a file system in memory, where this user may mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from millstream.server.process import wait_until


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size at `path`; a test that may not mount anything is skipped."""
    path.mkdir()
    mounted = mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", path)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        unmount = ["umount", str(path)]
        assert wait_until(
            lambda: subprocess.run(unmount, capture_output=True, check=False).returncode == 0, 60
        )


def mount(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `mount`."""
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)


def fill(disk: Path) -> Path:
    """Take every byte that is left of a disk; returns the file to remove again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast
