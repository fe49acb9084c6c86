"""The project directory, in which `loaders/` and `udfs/` lie beside the SQL files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from millstream.errors import MillstreamError


def find_project() -> Path:
    """Return the dbt project around the working directory. Raises MillstreamError where there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dbt_project.yml").is_file():
            return folder
    raise MillstreamError(
        f"{here} is not in a Millstream project: change to the directory with dbt_project.yml"
    )


def import_loaders(module: str) -> ModuleType:
    """Import a module of the project's `loaders` package. Raises MillstreamError where it cannot be."""
    root = find_project()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(f"loaders.{module}")
    except ModuleNotFoundError as error:
        missing = error.name or "loaders"
        advice = (
            "run this in a clone of the project"
            if missing.split(".")[0] == "loaders"
            else f"install it: pip install {missing}"
        )
        raise MillstreamError(f"{root} cannot load data: there is no {missing}. {advice}") from error
