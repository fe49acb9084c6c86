"""`millstream status`: what runs, how far behind it is, and what each view costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millstream import server
from millstream.cli.words import counted
from millstream.errors import MillstreamError
from millstream.server import Home, Server
from millstream.server.answer import ServerCondition, interpret
from millstream.server.disk import room_of
from millstream.server.options import addresses
from millstream.server.process import is_alive
from millstream.supervisor.state_file import is_held, read_state

NOT_RUNNING = 3  # as systemctl does
ALIVE = ("ready", "full", "password", "memory")  # states of a server whose process is well
SOON_SECONDS = 30 * 86400  # when the end of a certificate is worth a warning
NEARLY = 0.9  # of a role's connections
MANY_LOGINS = 20


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what runs, how far behind it is, and each view.

    Works while the worker is dead: the views can still be read, and "queued" and "last tick" show how far behind
    they are. A server that is full, starts, recovers or refuses its owner's password is told from one that does not
    run. Exit status: 0 everything runs, 3 the server or the worker does not, 1 an error.

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
    if not (found["server"]["state"] == "ready" and found["worker"]["running"]):
        ctx.exit(NOT_RUNNING)


def collect(home: Home) -> dict[str, Any]:
    """Return the state of server, supervisor and worker, and what the catalogue says (`engine`; None if there is none)."""
    supervised = is_held(home)
    state = read_state(home)
    worker_pid = state.worker_pid if state and supervised else None
    running, engine, answer = ask(home)
    return {
        "home": str(home.path),
        "server": {
            "running": answer.state in ALIVE,
            "state": answer.state,
            "says": answer.text,
            "remedy": answer.remedy,
            "connections": dict(answer.connections),
            "host": running.host if running else None,
            "port": running.port if running else None,
            "pid": running.pid if running else None,
            "external": running.external if running else None,
            "tls": tls(home, running),
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
        "disk": disk(home),
    }


def ask(home: Home) -> tuple[Server | None, dict[str, Any] | None, ServerCondition]:
    """Return the server, what its catalogue says, and how it answers; no catalogue where it lets nobody in."""
    running = server.find(home.path)
    if running is None:
        return None, None, interpret(home, None, None)
    try:
        return running, read_engine(running.dsn("owner")), ServerCondition("ready")
    except psycopg.OperationalError as error:
        answer = interpret(home, running, error)
        return (running if answer.state in ALIVE else None), None, answer


def tls(home: Home, running: Server | None) -> dict[str, Any] | None:
    """Where TLS is spoken, and until when the certificate is valid; None where there is no TLS."""
    if running is None or not running.options.tls:
        return None
    from millstream.server.certificate import find_certificate

    options = running.options
    try:
        certificate = find_certificate(home.path, options)
    except (MillstreamError, OSError) as error:
        where = {"listen": addresses(options), "port": options.port}
        return {**where, "until": None, "seconds": None, "error": str(error)}
    assert certificate is not None
    return {
        "listen": addresses(options),
        "port": options.port,
        "until": certificate.until.isoformat(),
        "seconds": (certificate.until - datetime.now(UTC)).total_seconds(),
        "error": None,
    }


def disk(home: Home) -> dict[str, Any]:
    """The file system of the home, sizes in bytes."""
    room = room_of(home.path)
    return {**asdict(room), "mount": str(room.mount), "low": room.is_low, "told": str(room)}


def read_engine(dsn: str) -> dict[str, Any] | None:
    """Return what the catalogue says, or None where none is installed yet."""
    # Here and not above: the engine is slow to import, and --help needs none of it.
    from millstream.engine.inspect import status as catalogue

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
    table.add_row("server", _server(place, f"{where}, {own}"))
    if place["connections"]:
        taken = ", ".join(f"{escape(role)} {count}" for role, count in place["connections"].items())
        table.add_row("connections", f"[red]{taken}[/]")
    if place["tls"]:
        table.add_row("TLS", _tls(place["tls"]))
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
    room = found["disk"]
    if room["low"] or room["read_only"]:
        what = "mounted read-only" if room["read_only"] else escape(room["told"])
        table.add_row("disk", f"[yellow]{what}[/]; free some before it is full: docs/howto/production.md")
    if engine is not None:
        _add_connections(table, engine["connections"])
        _add_engine(table, engine)
    elif place["state"] == "ready":
        table.add_row("catalogue", "[yellow]not installed yet[/]; the worker installs it when it starts")
    console.print(table)
    if engine is not None and engine["views"]:
        console.print()
        console.print(_views(engine["views"]))


def _add_engine(table: Table, engine: dict[str, Any]) -> None:
    table.add_row("clock", f"{engine['clock']}, now() is {engine['now'] or 'not known yet'}")
    ago = engine["tick_age_seconds"]
    worked = "" if ago is None else f"; the last one that had work {ago:,.1f} s ago"
    table.add_row("last tick", f"number {engine['tick']}{worked}")
    if engine["tick_ms_p50"] is not None:
        table.add_row("tick", f"p50 {engine['tick_ms_p50']:,.1f} ms, p99 {engine['tick_ms_p99']:,.1f} ms")
    waiting = [f"{escape(name)} {counted(rows, 'row')}" for name, rows in engine["queued"].items() if rows]
    table.add_row("queued", f"[yellow]{', '.join(waiting)}[/]" if waiting else "nothing")
    if engine["kafka"]:
        behind = sum(place["lag"] or 0 for place in engine["kafka"])
        read = sum(place["messages"] for place in engine["kafka"])
        table.add_row(
            "Kafka", f"{counted(read, 'message')} read, {behind:,} behind when a consumer last looked"
        )
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


def _server(place: dict[str, Any], where: str) -> str:
    if place["state"] == "ready":
        return f"[green]running[/], {where}"
    if place["state"] == "down":
        return "[red]not running: millstream up[/]"
    says = f": {escape(place['says'])}" if place["says"] else ""
    return f"[red]{place['state']}[/]{says}. {escape(place['remedy'])}"


def _tls(spoken: dict[str, Any]) -> str:
    where = f"{', '.join(spoken['listen'])} port {spoken['port']}"
    if spoken["error"]:
        return f"{where}, [red]{escape(spoken['error'])}[/]"
    ends = f"certificate until {spoken['until'][:10]}"
    return f"{where}, [yellow]{ends}[/]" if spoken["seconds"] < SOON_SECONDS else f"{where}, {ends}"


def _add_connections(table: Table, found: dict[str, Any]) -> None:
    """Only where they run short: roles near their limit, logins that do not come to their end."""
    short = [
        f"{role.removeprefix('millstream_')} {place['used']} of {place['limit']}"
        for role, place in found["roles"].items()
        if place["limit"] is not None and place["used"] >= NEARLY * place["limit"]
    ]
    if found["logins"] >= MANY_LOGINS:
        short.append(f"{found['logins']} logins that have not come to their end")
    if short:
        table.add_row(
            "connections",
            f"[yellow]{', '.join(short)}[/]; share them (a pool), or millstream up --readers N, --writers N",
        )


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
