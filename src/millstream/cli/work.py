"""The worker's process: `python -m millstream.cli.work`, started and watched by the supervisor.

It ends when the supervisor does, however that happens, and finishes its tick when it is asked to end (SIGTERM).
"""

from __future__ import annotations

import logging
import signal
from typing import Literal

import click

from millstream import server
from millstream.cli.signals import stop_on_signals
from millstream.cli.supervision import CLOCKS
from millstream.runtime import deploy
from millstream.runtime.worker import Worker
from millstream.server.launch import die_with_parent


@click.command(help="Run the worker (started by `millstream up`).")
@click.option("--home", required=True, help="The home directory.")
@click.option("--clock", type=click.Choice(CLOCKS), required=True, help="What now() means to the views.")
@click.option("--parent", type=int, required=True, help="Process id of the supervisor.")
def main(home: str, clock: Literal["wall", "event"], parent: int) -> None:
    die_with_parent(parent, signal.SIGTERM)
    stop = stop_on_signals()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    dsn = server.connect(home).dsn("owner")
    deploy.connect(dsn).close()  # installs the catalogue, or brings it to this version
    Worker(dsn, clock=clock).run(stop)


if __name__ == "__main__":
    main()
