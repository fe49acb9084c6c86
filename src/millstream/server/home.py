"""The home directory of an embedded server: where things lie, who holds it, and the private file of passwords.

<home>/data/            PostgreSQL's data directory
<home>/server.json      port, pid and passwords, mode 0600
<home>/settings.json    what the operator chooses: connections, addresses, TLS
<home>/tls/             a self-signed certificate and its key
<home>/lock             held (flock) while a server is made, started or stopped
<home>/logs/            postgresql.log, worker.log, supervisor.log
<home>/models/          embedding files
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from millstream.server.disk import explain
from millstream.server.errors import ServerError
from millstream.server.files import try_lock, write_whole
from millstream.server.options import Options, read_options

ROLES = {"owner": "millstream", "writer": "millstream_writer", "reader": "millstream_reader"}
DATABASE = "millstream"
POLL_SECONDS = 0.02


@dataclass
class ServerFile:
    """What `server.json` says. `passwords` is keyed by role (owner, writer, reader); `external` by host:port of a server
    of one's own, then by role."""

    port: int | None = None
    pid: int | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    external: dict[str, dict[str, str]] = field(default_factory=dict)


def locate(home: str | os.PathLike[str] | None = None) -> Path:
    """Say which directory is the home: the argument, `MILLSTREAM_HOME`, or `.millstream` in the dbt project around the
    working directory (in the working directory itself where there is no dbt project)."""
    chosen = home or os.environ.get("MILLSTREAM_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dbt_project.yml").is_file():
            return folder / ".millstream"
    return here / ".millstream"


def new_password() -> str:
    """Return 192 random bits as text that needs no quoting in a URL, a shell or SQL."""
    return secrets.token_hex(24)


class Home:
    """One home directory. Makes nothing until `prepare`."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = locate(path)
        self.data = self.path / "data"
        self.logs = self.path / "logs"
        self.models = self.path / "models"
        self.server_file = self.path / "server.json"
        self.log_path = self.logs / "postgresql.log"

    def __repr__(self) -> str:
        return f"Home({str(self.path)!r})"

    def prepare(self) -> None:
        """Make the directory (0700) and its folders. Raises ServerError where this user may not."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.models):
                folder.mkdir(mode=0o700, exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("# passwords and data: never commit this directory\n*\n")
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise ServerError(
                f"cannot make the home directory {self.path}: {error.strerror} ({error.filename}). "
                "Choose a directory that you may write with MILLSTREAM_HOME."
            ) from error
        except OSError as error:
            raise ServerError(f"cannot make the home directory: {explain(error, self.path)}") from error

    @contextmanager
    def lock(self, timeout: float = 60.0) -> Iterator[None]:
        """Hold the home alone; wait up to `timeout` seconds for whoever holds it. The kernel frees it if we die."""
        self.prepare()
        path = self.path / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise ServerError(
                f"cannot open {path}: {error.strerror}. The home belongs to another user; "
                "run as that user or choose another directory with MILLSTREAM_HOME."
            ) from error
        except OSError as error:
            raise ServerError(f"cannot hold the home: {explain(error, self.path)}") from error
        try:
            deadline = time.monotonic() + timeout
            while not try_lock(descriptor):
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 32, 0).decode() or "unknown"
                    raise ServerError(
                        f"{self.path} is held by process {holder} for more than {timeout:.0f} s "
                        "(it starts or stops the server). Wait for it, or end that process."
                    )
                time.sleep(POLL_SECONDS)
            with suppress(OSError):  # a full disk: the lock is held all the same
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def options(self) -> Options:
        """Read `settings.json`. Raises ServerError that names the mistake in it."""
        return read_options(self.path)

    def read(self) -> ServerFile:
        """Read `server.json`; an absent file reads as empty. Raises ServerError if others may read it or it is damaged."""
        try:
            mode = stat.S_IMODE(self.server_file.stat().st_mode)
            text = self.server_file.read_text()
        except FileNotFoundError:
            return ServerFile()
        except PermissionError as error:
            raise ServerError(
                f"cannot read {self.server_file}: {error.strerror}. It belongs to another user; run as that user."
            ) from error
        if mode & 0o077:
            raise ServerError(
                f"{self.server_file} holds passwords and has mode {mode:04o}, so other users may have read them. "
                f"If that does not matter here: chmod 600 {self.server_file}. "
                "If it does: stop the server, delete the file, and start again; new passwords are made."
            )
        try:
            return ServerFile(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ServerError(
                f"{self.server_file} is damaged ({error}). Stop the server and delete the file; "
                "the next start makes new passwords and keeps the data."
            ) from error

    def write(self, content: ServerFile) -> None:
        """Replace `server.json` in one step; it is never readable for others, not even for a moment."""
        write_whole(self.server_file, json.dumps(asdict(content), indent=2) + "\n")
