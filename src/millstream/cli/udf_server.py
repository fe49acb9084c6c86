"""`millstream udf-server`: the project's Python functions, for RisingWave. Defined in src/udf_server/command.py."""

from __future__ import annotations

import click

from millstream.cli.loader_command import LoaderCommand
from udf_server.command import command as serve


class ServerCommand(LoaderCommand):
    """The command that the functions' server defines; it finds models in the home, as the loaders do."""

    def defined(self) -> click.Command:
        """The command as the server defines it."""
        return serve


command = ServerCommand("udf-server", short_help="Serve the Python functions to RisingWave.")
