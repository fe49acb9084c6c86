"""The data directory: made in one step or not at all, checked before it is used, configured at every start."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from millstream.server import settings
from millstream.server.binaries import Binaries
from millstream.server.disk import shortage
from millstream.server.errors import ServerError
from millstream.server.files import sync_folder, write_whole
from millstream.server.home import ROLES, Home
from millstream.server.identity import ServerIdentity, command, environment
from millstream.server.options import Options

INITDB_SECONDS = 120
WORKPLACE = "initdb."


def made_by(data: Path) -> int | None:
    """Return the major version that made the data directory, or None where there is none (or an empty folder).

    Raises ServerError where something else lies there, or a cluster whose making never came to its end.
    """
    if not data.exists() or (data.is_dir() and not any(data.iterdir())):
        return None
    try:
        text = (data / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        raise ServerError(
            f"{data} is not empty and not a PostgreSQL data directory. Move it away, or choose another home "
            "with MILLSTREAM_HOME."
        ) from None
    if not text.isdigit():
        raise ServerError(f"{data / 'PG_VERSION'} is damaged. Restore {data} from a backup, or move it away.")
    if not (data / "global" / "pg_control").exists():
        raise ServerError(
            f"{data} is half-made: global/pg_control is missing. Millstream moves a data directory here only when it is "
            "complete, so this one was made or damaged by something else. Restore it from a backup, or move it away "
            "and start again with an empty one."
        )
    return int(text)


def check_mode(data: Path) -> None:
    """Raise ServerError where other users may enter the data directory: PostgreSQL would refuse it."""
    mode = data.stat().st_mode & 0o777
    if mode not in (0o700, 0o750):
        raise ServerError(
            f"the data directory {data} has mode {mode:04o}; PostgreSQL accepts 0700 or 0750. "
            f"Remedy: chmod 700 {data}"
        )


def initialise(home: Home, binaries: Binaries, identity: ServerIdentity, password: str) -> None:
    """Make the data directory with initdb: superuser `millstream`, UTF8, code-point order, checksums.

    It is made under another name and renamed when complete, so whatever lies under such a name never was complete and
    is removed. The name is new every time: an initdb whose caller was killed may still be at work, or tidying up. The
    character type is PostgreSQL's own C.UTF-8: compared byte by byte as C is, but upper() and lower() know letters
    beyond ASCII, and nothing depends on the system's locales.
    """
    remove_unfinished(home)
    workplace = Path(tempfile.mkdtemp(prefix=WORKPLACE, dir=home.path))
    try:
        _initialise(home, workplace, binaries, identity, password)
    finally:  # on a full disk, what a failure left would be the next one's cause
        shutil.rmtree(workplace, ignore_errors=True)


def _initialise(
    home: Home, workplace: Path, binaries: Binaries, identity: ServerIdentity, password: str
) -> None:
    making, password_file = workplace / "data", workplace / "password"
    with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    for path in (workplace, password_file):
        _hand_over(path, identity)
    program = [
        binaries.path("initdb"),
        f"--pgdata={making}",
        f"--username={ROLES['owner']}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]
    try:
        answer = subprocess.run(
            command(identity, program),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            timeout=INITDB_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(
            f"initdb did not end within {INITDB_SECONDS} s; the disk under {home.path} is very slow. Try again."
        ) from error
    if answer.returncode != 0:
        raise ServerError(
            f"initdb failed to make {home.data} (exit {answer.returncode}):\n{answer.stderr.strip()}\n"
            f"Remedy the cause above and start again; nothing needs to be removed. {shortage(home.path)}".rstrip()
        )
    with (making / "postgresql.conf").open("a") as file:
        file.write(settings.INCLUDES)
    (making / "local.conf").write_text(settings.LOCAL)
    _hand_over(making / "local.conf", identity)
    if home.data.exists():
        home.data.rmdir()  # made_by() saw that it is empty
    making.rename(home.data)
    sync_folder(home.path)


def remove_unfinished(home: Home) -> None:
    """Remove what was left by a making that was killed. What an initdb still writes there goes the next time."""
    for workplace in home.path.glob(f"{WORKPLACE}*"):
        shutil.rmtree(workplace, ignore_errors=True)


def configure(data: Path, port: int, options: Options, identity: ServerIdentity) -> None:
    """Write `millstream.conf` and `pg_hba.conf`."""
    for name, text in (("millstream.conf", settings.render(port, options)), ("pg_hba.conf", settings.ACCESS)):
        path = data / name
        if (
            not path.exists() or path.read_text() != text
        ):  # a full disk is no obstacle to a start without changes
            write_whole(path, text)
        path.chmod(0o600)
        _hand_over(path, identity)


def reset_owner_password(data: Path, binaries: Binaries, identity: ServerIdentity, password: str) -> None:
    """Give the owner a new password while the server is down, for a home whose `server.json` was lost.

    Needs no old password: who may write the data directory may do anything with it. `password` is hexadecimal.
    """
    statement = f"alter role {ROLES['owner']} password '{password}'\n"
    program = [
        binaries.path("postgres"),
        "--single",
        "-D",
        str(data),
        "-c",
        "log_min_messages=error",
        "postgres",
    ]
    answer = subprocess.run(
        command(identity, program),
        input=statement,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=INITDB_SECONDS,
    )
    if answer.returncode != 0 or "ERROR" in answer.stderr:
        raise ServerError(f"could not set a new password in {data}:\n{answer.stderr.strip()}")


def _hand_over(path: Path, identity: ServerIdentity) -> None:
    if path.stat().st_uid != identity.uid:
        os.chown(path, identity.uid, identity.uid)
