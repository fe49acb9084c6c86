"""The worker's process: `python -m millstream.supervisor.worker_process`, started and watched by the supervisor.

It ends when the supervisor does, however that happens, and finishes its tick when it is asked to end (SIGTERM).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import click
import psycopg

from millstream import server
from millstream.engine.tick.worker import Worker
from millstream.errors import MillstreamError
from millstream.server.disk import shortage
from millstream.server.launch import die_with_parent
from millstream.supervisor.signals import stop_on_signals
from millstream.supervisor.start_report import Teller
from millstream.supervisor.state_file import CLOCKS

log = logging.getLogger("millstream.work")


@click.command(help="Run the worker (started by `millstream up`).")
@click.option("--home", required=True, help="The home directory.")
@click.option("--parent", type=int, required=True, help="Process id of the supervisor.")
@click.option("--clock", type=click.Choice(CLOCKS), help="What now() means to the views.")
@click.option("--tell", type=int, help="File descriptor that is told once whether the start worked.")
def main(home: str, parent: int, clock: str | None, tell: int | None) -> None:
    die_with_parent(parent, signal.SIGTERM)
    os.environ["MILLSTREAM_HOME"] = home  # where Python functions look for model files
    stop = stop_on_signals()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    teller = Teller(tell)
    try:
        with Worker(server.connect(home).dsn("owner"), clock) as worker:
            teller.tell(ready=True)
            log.info("the worker runs")
            worker.run(stop)
            log.info("the worker stops, as it was asked to")
    except (MillstreamError, psycopg.OperationalError) as error:  # the latter: no connection, memory or disk
        text = f"{str(error).strip()} {shortage(Path(home))}".rstrip()
        log.error("%s", text)
        teller.tell(error=text)
        sys.exit(1)


if __name__ == "__main__":
    main()
