"""`millstream embed`: train item vectors and put them into service. Defined in loaders/commands/embed.py."""

from __future__ import annotations

from millstream.cli.loader_command import LoaderCommand

command = LoaderCommand("embed", short_help="Train item embeddings and put them into service.")
