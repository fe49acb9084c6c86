"""`millstream metrics`: what `status` tells, for Prometheus."""

from __future__ import annotations

import click
import psycopg

from millstream import server
from millstream.cli.status import read_engine, tls
from millstream.server import Home
from millstream.server.disk import room_of
from millstream.supervisor.signals import stop_on_signals


@click.command(name="metrics")
@click.option("--port", type=click.IntRange(1, 65535), help="Serve them at /metrics until stopped.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve them on.")
@click.pass_obj
def command(home: Home, port: int | None, host: str) -> None:
    """Print the engine's metrics, or serve them to Prometheus.

    Lag, tick times, queued rows, dead rows, connections, the disk, and rows, bytes and time of every view. Works while
    the worker is dead, and goes on while the server is away: millstream_server_up says so. deploy/prometheus/embedded.yml reads it on
    port 9464, with alerts.

    \b
    Example:
      millstream metrics
      millstream metrics --port 9464
    """
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server

    from millstream.engine.inspect.metrics import EngineCollector, HostCollector, State

    def read() -> State | None:
        running = server.find(home.path)
        try:
            return read_engine(running.dsn("owner")) if running is not None else None
        except psycopg.OperationalError:
            return None

    def around() -> State:
        room, spoken = room_of(home.path), tls(home, server.find(home.path))
        return {"free": room.free, "size": room.size, "certificate": spoken and spoken["seconds"]}

    registry = CollectorRegistry()
    registry.register(EngineCollector(read))
    registry.register(HostCollector(around))
    if port is None:
        click.echo(generate_latest(registry), nl=False)
        return
    stop = stop_on_signals()
    try:
        httpd, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise click.ClickException(
            f"port {port} on {host} cannot be listened on ({error.strerror}). Choose another: --port"
        ) from error
    click.echo(f"metrics on http://{host}:{port}/metrics; Ctrl-C stops", err=True)
    stop.wait()
    httpd.shutdown()
    thread.join()
    httpd.server_close()
