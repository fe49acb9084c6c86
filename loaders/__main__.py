"""`python -m loaders load …`, where only `loaders/` is at hand, as in the container."""

from __future__ import annotations

import click

from loaders.commands.embed import embed
from loaders.commands.load import load
from loaders.commands.replay import replay


@click.group(name="loaders")
def main() -> None:
    """Bring data in: an event log, its catalogue, embeddings."""


for command in (load, replay, embed):
    main.add_command(command)

main(prog_name="python -m loaders")
