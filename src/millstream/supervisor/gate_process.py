"""The gate's process: `python -m millstream.supervisor.gate_process`, started and watched by the supervisor where a home has TLS."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
from pathlib import Path

import click

from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.certificate import Certificate, find_certificate, load, server_context
from millstream.server.disk import explain
from millstream.server.gate import Gate, listen
from millstream.server.launch import die_with_parent
from millstream.server.options import Options, addresses
from millstream.server.process import is_postmaster_of, read_postmaster
from millstream.supervisor.start_report import Teller

log = logging.getLogger("millstream.gate")

LOOK_SECONDS = 60.0


@click.command(help="Run the gate (started by `millstream up`).")
@click.option("--home", required=True, help="The home directory.")
@click.option("--parent", type=int, required=True, help="Process id of the supervisor.")
@click.option("--tell", type=int, help="File descriptor that is told once whether the start worked.")
def main(home: str, parent: int, tell: int | None) -> None:
    die_with_parent(parent, signal.SIGTERM)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    place, teller = Home(home), Teller(tell)
    try:
        options = place.options()
        certificate = find_certificate(place.path, options)
        if certificate is None or options.port is None:
            raise MillstreamError(
                f"{place.path} has no TLS to speak. Start it so: millstream up --tls self-signed"
            )
        context = server_context(certificate)
        listeners = listen(addresses(options), options.port)
    except (MillstreamError, OSError) as error:
        text = f"TLS cannot be spoken: {explain(error, Path(home)) if isinstance(error, OSError) else error}"
        log.error("%s", text)
        teller.tell(error=text)
        sys.exit(1)
    teller.tell(ready=True)
    log.info(
        "TLS on %s port %s, certificate until %s",
        ", ".join(addresses(options)),
        options.port,
        certificate.until,
    )
    asyncio.run(_run(place, options, context, certificate, listeners))


async def _run(
    home: Home,
    options: Options,
    context: ssl.SSLContext,
    certificate: Certificate,
    listeners: list[socket.socket],
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = Gate(context, lambda: _port(home), options.authentication_seconds)
    follow = asyncio.create_task(_follow(home, options, context, certificate))
    await gate.serve(listeners, stop)
    follow.cancel()


async def _follow(home: Home, options: Options, context: ssl.SSLContext, certificate: Certificate) -> None:
    """Show a certificate that was renewed from its next connection on; keep the last good one where it is not good."""
    shown = _stamp(certificate)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            found = find_certificate(home.path, options)
            if found is not None and (stamp := _stamp(found)) != shown:
                load(context, found)
                shown = stamp
                log.info("the certificate was renewed: until %s", found.until)
        except (MillstreamError, OSError) as error:
            log.error("the certificate cannot be renewed: %s", error)


def _stamp(certificate: Certificate) -> tuple[int, int]:
    return certificate.path.stat().st_mtime_ns, certificate.key.stat().st_mtime_ns


def _port(home: Home) -> int | None:
    """Where PostgreSQL listens, if it is ready."""
    postmaster = read_postmaster(home.data)
    if postmaster is None or postmaster.status != "ready" or not is_postmaster_of(postmaster.pid, home.data):
        return None
    return postmaster.port


if __name__ == "__main__":
    main()
