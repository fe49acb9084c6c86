"""The command line: start the server, tell that it is ready, and stop it when asked to."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import click

from udf_server.errors import FunctionServerError
from udf_server.project import find_project

log = logging.getLogger("udf_server")

GRACE = 8.0
"""Seconds that calls under way have to finish in; RisingWave gives up on a call after 5."""

SECONDS_BETWEEN_READS = 30.0
"""Age that what was looked up may have."""

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@click.command(name="udf-server", epilog="Example: millstream udf-server --host 0.0.0.0 --threads 4")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8815,
    show_default=True,
    help="Port that RisingWave calls.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=8816,
    show_default=True,
    help="Port of /metrics and /healthz.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Threads that evaluate rows; more of them help functions that wait, not those that compute.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Rows that a thread evaluates before another call has its turn.",
)
@click.option(
    "--watch",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds between looks for new model files; 0: only on SIGHUP.",
)
@click.option(
    "--dsn",
    envvar="MILLSTREAM_LOOKUP_DSN",
    show_envvar=True,
    help="Address of the database in which functions look items up.",
)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with udfs/ in it.  [the one around the working directory]",
)
def command(
    host: str,
    port: int,
    metrics_port: int,
    threads: int,
    batch: int,
    watch: float,
    dsn: str | None,
    project: Path | None,
) -> None:
    """Serve the Python functions to RisingWave over Arrow Flight.

    Serves what udfs/ declares, with the code that the embedded engine runs. A row that fails is NULL and counted;
    the rest of its chunk is not touched. Category and brand, by which the blend spreads a list, are looked up in
    RisingWave: `--dsn postgresql://millstream_reader:…@host:4566/dev`, who may read `items`. Embeddings come from
    MILLSTREAM_HOME/models: a new version is read when its file appears, all are read again on SIGHUP. SIGTERM ends it
    after the calls that are under way.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        folder = find_project(project)
        run(host, port, metrics_port, threads=threads, batch=batch, watch=watch, dsn=dsn, project=folder)
    except FunctionServerError as error:
        raise click.ClickException(str(error)) from error


def run(
    host: str,
    port: int,
    metrics_port: int,
    *,
    threads: int,
    batch: int,
    watch: float,
    dsn: str | None,
    project: Path,
) -> None:
    """Serve until SIGTERM or SIGINT, then end the process. Raises FunctionServerError where that cannot begin."""
    # Waited for below, in one place, and blocked before the imports: they start threads, which must not take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    try:
        from udf_server.declarations import read_functions  # pyarrow is slow, and --help needs none of it
        from udf_server.flight import FlightServer, answers
        from udf_server.look_up import LookUp, looking_up
        from udf_server.models import Models
        from udf_server.observed import Metrics, ObservedServer
    except ModuleNotFoundError as error:
        raise FunctionServerError(
            f"serving functions needs the package {error.name}: pip install 'millstream[risingwave]'"
        ) from error

    stopping = threading.Event()
    functions = read_functions(project)
    metrics = Metrics([function.name for function in functions])
    modules = [function.module for function in functions]
    models = Models(modules, metrics, watch)
    rows = LookUp(dsn, modules, metrics, SECONDS_BETWEEN_READS) if dsn else None
    if rows is None and looking_up(modules):
        log.warning("without --dsn no item's category and brand are known, so lists are not spread over them")
    served = FlightServer(functions, metrics, host=host, port=port, threads=threads, batch=batch)

    def health() -> str | None:
        return "the server is stopping" if stopping.is_set() else answers(host, served.port)

    try:
        observed = ObservedServer(host, metrics_port, metrics, models.show, health)
    except FunctionServerError:
        served.close()
        raise
    names = ", ".join(function.name for function in functions)
    log.info("serving %s on %s:%d; metrics on %s:%d", names, host, served.port, host, observed.port)
    while signal.sigwait(SIGNALS) == signal.SIGHUP:
        models.reload()
    stopping.set()
    log.info("stopping after the calls that are under way")
    closing = threading.Thread(target=served.close, daemon=True)
    closing.start()
    closing.join(GRACE)
    if closing.is_alive():
        log.warning("a call did not end within %.0f seconds and is cut off", GRACE)
    else:
        models.close()
        if rows is not None:
            rows.close()
        observed.close()
        log.info("stopped")
    # Everything is closed. Taking the interpreter apart around gRPC's threads can hang, so it ends here.
    logging.shutdown()
    os._exit(0)
