"""`millstream status`: what runs, how far behind it is, and what each view costs."""

from __future__ import annotations

import json
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millstream import server
from millstream.cli.supervision import is_held, read_state
from millstream.server import Home
from millstream.server.process import is_alive

NOT_RUNNING = 3  # as systemctl does


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what runs, how far behind it is, and each view.

    Works while the worker is dead: the views can still be read, and "queued" and "last tick" show how far behind
    they are. Exit status: 0 everything runs, 3 the server or the worker does not, 1 an error.

    \b
    Example:
      millstream status
      millstream status --json | jq .engine.queued
    """
    found = collect(ctx.obj)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        show(found, Console(highlight=False))
    if not (found["server"]["running"] and found["worker"]["running"]):
        ctx.exit(NOT_RUNNING)


def collect(home: Home) -> dict[str, Any]:
    """Return the state of server, supervisor and worker, and what the catalogue says (`engine`; None if there is none)."""
    supervised = is_held(home)
    state = read_state(home)
    worker_pid = state.worker_pid if state and supervised else None
    running = server.find(home.path)
    engine = None
    if running is not None:
        try:
            engine = read_engine(running.dsn("owner"))
        except psycopg.OperationalError:
            running = None  # it died a moment ago, or recovers
    return {
        "home": str(home.path),
        "server": {
            "running": running is not None,
            "host": running.host if running else None,
            "port": running.port if running else None,
            "pid": running.pid if running else None,
            "external": running.external if running else None,
            "restarts": state.server_restarts if state and supervised else 0,
        },
        "supervisor": {
            "running": supervised,
            "pid": state.pid if state and supervised else None,
            "started_at": state.started_at if state and supervised else None,
            "sessions_ended": state.sessions_ended if state and supervised else 0,
        },
        "worker": {
            "running": worker_pid is not None and is_alive(worker_pid),
            "pid": worker_pid,
            "restarts": state.worker_restarts if state and supervised else 0,
        },
        "engine": engine,
    }


def read_engine(dsn: str) -> dict[str, Any] | None:
    """Return what the catalogue says, or None where none is installed yet."""
    # Here and not above: the engine is slow to import, and --help needs none of it.
    from millstream.runtime import status as catalogue

    with psycopg.connect(dsn, connect_timeout=10) as connection:
        found = catalogue.read(connection)
    return found if found["clock"] else None


def show(found: dict[str, Any], console: Console) -> None:
    """Print what `collect` found, for people."""
    place, engine = found["server"], found["engine"]
    table = Table.grid(padding=(0, 2))
    table.add_row("home", escape(found["home"]))
    where = f"{place['host']}:{place['port']}"
    own = "your own server (MILLSTREAM_DSN)" if place["external"] else f"process {place['pid']}"
    table.add_row("server", _light(place["running"], f"{where}, {own}", "not running: millstream up"))
    worker = found["worker"]
    dead = "being started again" if found["supervisor"]["running"] else "not running: millstream up"
    connected = engine is None or engine["worker_connected"]
    doing = f"process {worker['pid']}" + ("" if connected else ", [yellow]not connected[/]")
    table.add_row("worker", _light(worker["running"], doing, dead))
    restarts = f"server {place['restarts']}, worker {worker['restarts']}"
    if place["restarts"] or worker["restarts"]:
        table.add_row("restarts", f"[yellow]{restarts}[/]; see {escape(found['home'])}/logs")
    if ended := found["supervisor"]["sessions_ended"]:
        log = f"{escape(found['home'])}/logs/supervisor.log"
        table.add_row("sessions ended", f"[yellow]{ended:,} over their limits[/]; see {log}")
    if engine is not None:
        _add_engine(table, engine)
    elif place["running"]:
        table.add_row("catalogue", "[yellow]not installed yet[/]; the worker installs it when it starts")
    console.print(table)
    if engine is not None and engine["views"]:
        console.print()
        console.print(_views(engine["views"]))


def _add_engine(table: Table, engine: dict[str, Any]) -> None:
    table.add_row("clock", f"{engine['clock']}, now() is {engine['now'] or 'not known yet'}")
    ago = engine["tick_age_seconds"]
    table.add_row("last tick", f"number {engine['tick']}" + ("" if ago is None else f", {ago:,.1f} s ago"))
    if engine["tick_ms_p50"] is not None:
        table.add_row("tick", f"p50 {engine['tick_ms_p50']:,.1f} ms, p99 {engine['tick_ms_p99']:,.1f} ms")
    waiting = [f"{escape(name)} {rows:,} rows" for name, rows in engine["queued"].items() if rows]
    table.add_row("queued", f"[yellow]{', '.join(waiting)}[/]" if waiting else "nothing")
    if engine["kafka"]:
        behind = sum(place["lag"] or 0 for place in engine["kafka"])
        read = sum(place["messages"] for place in engine["kafka"])
        table.add_row("Kafka", f"{read:,} messages read, {behind:,} behind when a consumer last looked")
    if engine["building"]:
        build = engine["building"]
        table.add_row("deploying", f"{escape(build['doing'])}, for {build['seconds']:,.0f} s")
    for view in engine["suspended"]:
        stands = f", and what reads it: {', '.join(map(escape, view['readers']))}" if view["readers"] else ""
        reason = f"since {view['since']}: {escape(view['error'].splitlines()[0])}"
        table.add_row("suspended", f"[red]{escape(view['name'])}{stands}[/] {reason}")
    if engine["dead_keys"]:
        keys = ", ".join(f"{escape(name)} {count:,}" for name, count in engine["dead_keys"].items())
        table.add_row("dead keys", f"[yellow]{keys}[/]; see millstream.dead_keys, then millstream retry")
    if engine["dead_rows"]:
        table.add_row("dead rows", f"[yellow]{engine['dead_rows']:,}[/]; see millstream.dead_row")
    if engine["evaluation_errors"]:
        table.add_row(
            "failed expressions",
            f"[yellow]{engine['evaluation_errors']:,} times NULL[/]; see millstream.evaluation_errors",
        )
    if engine["oldest_reader_seconds"]:
        table.add_row("oldest reader", f"{engine['oldest_reader_seconds']:,.1f} s")


def _views(views: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("view")
    table.add_column("kind")
    table.add_column("rows", justify="right")
    table.add_column("changes", justify="right")
    table.add_column("size", justify="right")
    table.add_column("per tick", justify="right")
    for view in views:
        mean = view["ms_mean"]
        table.add_row(
            escape(view["name"]),
            view["kind"].replace("_", " "),
            f"{view['rows']:,}",
            f"{view['changes']:,}",
            f"{view['bytes'] / 1e6:,.1f} MB",
            "" if mean is None else f"{mean:,.2f} ms",
        )
    return table


def _light(on: bool, good: str, bad: str) -> str:
    return f"[green]running[/], {good}" if on else f"[red]{bad}[/]"
