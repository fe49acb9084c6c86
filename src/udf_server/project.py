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
        if any((folder / "udfs").glob("*.y*ml")):
            return folder
    raise FunctionServerError(
        f"{here} is in no project with functions: neither it nor a directory above it has a YAML file in udfs/. Start in the "
        "directory with dbt_project.yml, or name it with --project"
    )
