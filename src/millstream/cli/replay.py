"""`millstream replay`: send an event log live. Defined in loaders/commands/replay.py."""

from __future__ import annotations

from millstream.cli.loader_command import LoaderCommand

command = LoaderCommand("replay", short_help="Replay an event log live, at a chosen speed.")
