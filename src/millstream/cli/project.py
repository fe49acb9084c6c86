"""The project directory, in which `loaders/` and `udfs/` lie beside the SQL files."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from millstream.errors import MillstreamError
from millstream.server import Home


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
        remedy = (
            "run this in a clone of the project"
            if missing.split(".")[0] == "loaders"
            else f"install it: pip install {missing}"
        )
        raise MillstreamError(f"{root} cannot load data: there is no {missing}. {remedy}") from error


class LoaderCommand(click.Command):
    """A command that the project's loaders define; they are imported when it runs, so that the others start quickly."""

    def __init__(self, name: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help, add_help_option=False)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        home = parent.obj if parent is not None else None
        if isinstance(home, Home):
            os.environ["MILLSTREAM_HOME"] = str(home.path)  # `millstream --home X load …` means X
        return self.defined().make_context(info_name, args, parent, **extra)

    def defined(self) -> click.Command:
        """The command as the loaders define it."""
        command = getattr(import_loaders("cli"), str(self.name))
        assert isinstance(command, click.Command)
        return command
