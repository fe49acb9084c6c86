"""The project whose functions are served: the directory with `udfs/` in it."""

from __future__ import annotations

from pathlib import Path

from udf_server.errors import FunctionServerError


def find_project(named: Path | None) -> Path:
    """The project that is named, else the one around the working directory.

    Raises FunctionServerError where there is none.
    """
    if named is not None:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "udfs" / "ddl").is_dir():
            return folder
    raise FunctionServerError(
        f"{here} is in no project with functions: neither it nor a directory above it has udfs/ddl. Start in the "
        "directory with dbt_project.yml, or name it with --project"
    )
