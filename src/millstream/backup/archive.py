"""The file of a backup: a zip archive whose last member, the manifest, says what the others must be.

A zip archive has its table of contents at its end, so a file that was not written to its end does not open as one.
Members: `database.dump` (pg_dump, custom format), `roles.sql` (pg_dumpall), `home/…` (files of the home), `manifest.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from millstream.errors import MillstreamError
from millstream.server.files import sync_folder, try_lock

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
ROLES_SCRIPT = "roles.sql"
HOME = "home/"
BLOCK = 1 << 20
UNFINISHED = ".part"

Advance = Callable[[int], None]  # is told how many bytes were written or read


@dataclass(frozen=True)
class Member:
    """What a member must be: its length in bytes, its SHA-256 in hexadecimal, and the mode of the file it was."""

    bytes: int
    sha256: str
    mode: int = 0o600


@dataclass
class Manifest:
    """What a backup is. `catalogue` is None where no engine was installed yet; `tick` is the last finished one before it."""

    made_at: str
    millstream: str
    postgresql: str
    catalogue: str | None
    tick: int | None
    tables: int
    members: dict[str, Member] = field(default_factory=dict)
    format: int = FORMAT


class ArchiveWriter:
    """Adds members to a backup that is being written."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.members: dict[str, Member] = {}

    def add(
        self, name: str, blocks: Iterable[bytes], mode: int = 0o600, advance: Advance | None = None
    ) -> None:
        """Write a member block by block; nothing but its length and checksum is kept in memory."""
        length, digest = 0, hashlib.sha256()
        with self._file.open(name, "w", force_zip64=True) as member:
            for block in blocks:
                member.write(block)
                digest.update(block)
                length += len(block)
                if advance is not None:
                    advance(len(block))
        self.members[name] = Member(length, digest.hexdigest(), mode)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest, the last member."""
        manifest.members = self.members
        self._file.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """Write a backup to `path`, which is there when the block ends without an error, and never before.

    It is written beside, as `<path>.part` (mode 0600), synced, and linked to its name. Raises MillstreamError where
    `path` exists, another backup is writing it, or the folder cannot be written.
    """
    part = path.with_name(path.name + UNFINISHED)
    _refuse_to_overwrite(path)
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise MillstreamError(
            f"cannot write {part}: {error.strerror}\n  hint: name a file in a folder that you may write"
        ) from error
    with os.fdopen(descriptor, "r+b") as file:
        if not try_lock(descriptor):
            raise MillstreamError(
                f"another backup is writing {path}\n  hint: wait for it, or name another file"
            )
        file.truncate()  # what a killed backup left
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                yield ArchiveWriter(archive)
            file.flush()
            os.fsync(file.fileno())
            _refuse_to_overwrite(path)
            os.link(part, path)
        except OSError as error:
            raise MillstreamError(
                f"cannot write {path}: {error.strerror}\n  hint: nothing is left of it; free some space, or name another folder"
            ) from error
        finally:
            part.unlink(missing_ok=True)
    sync_folder(path.parent)


def clear_unfinished(folder: Path, pattern: str) -> None:
    """Remove what killed backups left in a folder under the names of `pattern`; one that is being written is locked."""
    for part in folder.glob(pattern + UNFINISHED):
        with part.open("rb") as file:
            if try_lock(file.fileno()):
                part.unlink(missing_ok=True)


def _refuse_to_overwrite(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise MillstreamError(
            f"{path} exists, and a backup overwrites nothing\n  hint: name another file, or a folder"
        )


class Archive:
    """A backup that is whole as far as its table of contents tells; `verify` reads all of it."""

    def __init__(self, path: Path, file: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._file = file

    @property
    def length(self) -> int:
        """Bytes of all members together."""
        return sum(member.bytes for member in self.manifest.members.values())

    def blocks(self, name: str) -> Iterator[bytes]:
        """Read a member block by block. Raises MillstreamError where the file is damaged."""
        try:
            with self._file.open(name) as member:
                while block := member.read(BLOCK):
                    yield block
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise self._damaged(f"{name}: {error}") from error

    def verify(self, advance: Advance | None = None) -> None:
        """Compare every member with the manifest. Raises MillstreamError at the first that differs."""
        for name, expected in self.manifest.members.items():
            length, digest = 0, hashlib.sha256()
            for block in self.blocks(name):
                digest.update(block)
                length += len(block)
                if advance is not None:
                    advance(len(block))
            if (length, digest.hexdigest()) != (expected.bytes, expected.sha256):
                raise self._damaged(f"{name} is not what was written")

    def home_files(self) -> dict[PurePosixPath, str]:
        """The files of the home by their path in it, with the names of their members."""
        found = {}
        for name in self.manifest.members:
            if name.startswith(HOME):
                path = PurePosixPath(name.removeprefix(HOME))
                if path.is_absolute() or ".." in path.parts:
                    raise self._damaged(f"{name} would lie outside the home")
                found[path] = name
        return found

    def _damaged(self, why: str) -> MillstreamError:
        return MillstreamError(
            f"{self.path} is damaged ({why})\n  hint: use another backup; nothing was restored"
        )


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup and read its manifest. Raises MillstreamError where it is none, or not whole, or of a newer format."""
    try:
        file = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise MillstreamError(
            f"{path} is not a whole backup\n  hint: it was cut off, or `millstream backup` did not make it; use another one"
        ) from None
    except FileNotFoundError:
        raise MillstreamError(
            f"there is no such file: {path}\n  hint: check the path; `millstream backup` prints where it writes"
        ) from None
    except OSError as error:
        raise MillstreamError(
            f"cannot read {path}: {error.strerror}\n  hint: backups are private: run as their owner"
        ) from error
    with file:
        yield Archive(path, file, _manifest(path, file))


def _manifest(path: Path, file: zipfile.ZipFile) -> Manifest:
    try:
        content: dict[str, Any] = json.loads(file.read(MANIFEST))
        if content["format"] > FORMAT:
            raise MillstreamError(
                f"{path} was made by a newer release ({content['millstream']})\n  hint: install that release, then restore"
            )
        members = {name: Member(**member) for name, member in content.pop("members").items()}
        return Manifest(**content, members=members)
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise MillstreamError(
            f"{path} is not a backup of Millstream, or is damaged ({MANIFEST}: {error!r})\n  hint: use another one"
        ) from error
