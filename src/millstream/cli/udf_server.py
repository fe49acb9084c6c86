"""`millstream udf-server`: the project's Python functions, for RisingWave."""

from __future__ import annotations

import click

from millstream.cli.loader_command import LoaderCommand
from millstream.project import import_part


class ServerCommand(LoaderCommand):
    """The command that the project's `src/udf_server` defines; it needs packages that the embedded engine does not."""

    def defined(self) -> click.Command:
        """The command as the server defines it."""
        module = import_part(
            "udf_server.command", "serve functions to RisingWave", "'millstream[risingwave]'"
        )
        command = module.command
        assert isinstance(command, click.Command)
        return command


command = ServerCommand("udf-server", short_help="Serve the Python functions to RisingWave.")
