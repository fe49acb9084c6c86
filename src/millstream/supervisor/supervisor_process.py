"""The supervisor's process, started detached by `millstream up`:
`python -m millstream.supervisor.supervisor_process --home … [--clock …] [--port …] --tell FD`.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.disk import explain
from millstream.supervisor.signals import stop_on_signals
from millstream.supervisor.start_report import Teller
from millstream.supervisor.state_file import CLOCKS, AlreadyUp
from millstream.supervisor.supervisor import Supervisor

log = logging.getLogger("millstream.supervise")


@click.command(help="Run the supervisor (started by `millstream up`).")
@click.option("--home", required=True, help="The home directory.")
@click.option("--port", type=int, help="Port for PostgreSQL.")
@click.option("--clock", type=click.Choice(CLOCKS), help="What now() means to the views.")
@click.option(
    "--tell", type=int, required=True, help="File descriptor that is told once whether the start worked."
)
def main(home: str, port: int | None, clock: str | None, tell: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = stop_on_signals()
    teller = Teller(tell)
    try:
        Supervisor(Home(home), port, clock).run(stop, lambda started: teller.tell(port=started.port))
    except AlreadyUp:
        teller.tell(already=True)
    except (MillstreamError, OSError) as error:
        text = explain(error, Path(home)) if isinstance(error, OSError) else str(error)
        log.error("%s", text)
        teller.tell(error=text)
        sys.exit(1)


if __name__ == "__main__":
    main()
