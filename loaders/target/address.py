"""Where the server is: a DSN that is given, one of the environment, or the one in the home's `server.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

from loaders.schema.errors import LoaderError

VARIABLE = "MILLSTREAM_WRITER_DSN"
HOME_VARIABLE = "MILLSTREAM_HOME"
PROJECT_FILE = "dbt_project.yml"
REMEDY = f"start the server with `millstream up`, or give the writer's DSN with --dsn or {VARIABLE}"


def find_home(home: Path | None = None) -> Path:
    """Give the home directory: the argument, `MILLSTREAM_HOME`, or `.millstream` in the dbt project around here."""
    chosen = home or os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / ".millstream"
    return here / ".millstream"


def writer_dsn(dsn: str | None, home: Path) -> str:
    """Give the DSN of the writer role. Raises LoaderError with the remedy if none is known."""
    return dsn or os.environ.get(VARIABLE) or _dsn_in(home, "writer")


def judge_dsn(dsn: str | None, home: Path) -> str:
    """Give the DSN of who may see rejected messages: the owner of the home's own server, else the one that is given."""
    return dsn or os.environ.get(VARIABLE) or _dsn_in(home, "owner")


def _dsn_in(home: Path, role: str) -> str:
    path = home / "server.json"
    try:
        server = json.loads(path.read_text())
        port, password = server["port"], server["passwords"][role]
    except FileNotFoundError:
        raise LoaderError(f"no server was ever started in {home}: {REMEDY}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoaderError(f"{path} does not name an embedded server ({error!r}): {REMEDY}") from error
    if port is None:
        raise LoaderError(f"{path} names no port, so no server runs there: {REMEDY}")
    user = "millstream" if role == "owner" else f"millstream_{role}"
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/millstream"
