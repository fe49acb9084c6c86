"""`millstream load`: bring an event log in. Defined in loaders/commands/load.py."""

from __future__ import annotations

from millstream.cli.loader_command import LoaderCommand

command = LoaderCommand("load", short_help="Load an event log and its catalogue, exactly once.")
