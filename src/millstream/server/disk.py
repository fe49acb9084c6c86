"""How much room the file system of a home has, and what an error of the operating system asks of who runs it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

START_BYTES = 64 << 20
"""What PostgreSQL wants to recover and start: a few segments of its log, 16 MB each."""
LOW_BYTES = 4 << 30
"""Twice max_wal_size: the log may grow by that much before a checkpoint frees some of it."""
LOW_SHARE = 0.1


@dataclass(frozen=True)
class Room:
    """A file system: where it is mounted, its size and what is free of it for users in bytes, and free files (inodes)."""

    mount: Path
    size: int
    free: int
    files: int
    read_only: bool

    @property
    def is_low(self) -> bool:
        """Whether it is time to warn: less than 4 GB or a tenth is free."""
        return self.free < LOW_BYTES or self.free < LOW_SHARE * self.size

    def __str__(self) -> str:
        return f"{told(self.free)} of {told(self.size)} free on {self.mount}"


def room_of(path: Path) -> Room:
    """Look at the file system on which `path` is, or would be made."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    unknown = found.f_files == 0  # a file system without a limit says so
    return Room(
        mount=_mount(path.resolve()),
        size=found.f_frsize * found.f_blocks,
        free=found.f_frsize * found.f_bavail,
        files=1 if unknown else found.f_favail,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def told(size: float) -> str:
    """Bytes as people say them: 12.3 MB."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.0f} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def explain(error: OSError, path: Path) -> str:
    """Say what an error of the operating system under `path` means, and the remedy."""
    about = f"{error.filename or path}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{about}. {shortage(path, certain=True)}"
    if error.errno == errno.EROFS:
        mount = room_of(path).mount
        return (
            f"{about}. The file system {mount} is mounted read-only; mount it for writing (mount -o remount,rw {mount}), "
            "after looking into the kernel's log for why it is so (dmesg), or choose another home with MILLSTREAM_HOME."
        )
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return f"{about}. The machine has no memory or no process left (free -m, ulimit -u): end what takes it, and try again."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{about}. It belongs to another user: run as that user, or choose another home with MILLSTREAM_HOME."
    return about


def shortage(path: Path, *, certain: bool = False) -> str:
    """Say that there is too little room to start in, where that is so (or `certain`); else return the empty text."""
    room = room_of(path)
    if not (certain or room.free < START_BYTES or room.files == 0):
        return ""
    what = f"has {room.free:,} bytes free" + ("" if room.files else " and no inode for another file")
    return (
        f"The file system {room.mount} {what}; PostgreSQL wants about {START_BYTES:,} to start. Free some: `du -xh "
        f"{room.mount} | sort -h | tail` shows what is large. Never remove anything in {path / 'data'}."
    )


def _mount(path: Path) -> Path:
    while not path.is_mount() and path != path.parent:
        path = path.parent
    return path
