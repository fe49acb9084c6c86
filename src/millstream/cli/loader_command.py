"""Commands that the project's loaders define."""

from __future__ import annotations

import os
from typing import Any

import click

from millstream.project import import_loaders
from millstream.server import Home


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
        command = getattr(import_loaders(f"commands.{self.name}"), str(self.name))
        assert isinstance(command, click.Command)
        return command
