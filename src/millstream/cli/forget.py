"""`millstream forget`: remove a person from everything that is stored, for good."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from millstream import server
from millstream.cli.words import counted
from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.process import wait_until

if TYPE_CHECKING:
    import psycopg

    from millstream.engine.erasure.people import People

POLL_SECONDS = 0.02
WORKER_SECONDS = 20.0  # how long a worker may take to be there again
LATE = "select coalesce(array_agg(id) filter (where is_erased), '{}'), coalesce(array_agg(id) filter (where not is_erased), '{}') from load_erased_ids"


@click.command(name="forget")
@click.argument("users", metavar="[USER]...", nargs=-1)
@click.option(
    "--from",
    "listed",
    type=click.File("r"),
    metavar="FILE",
    help="Read ids, one a line; - is standard input.",
)
@click.option(
    "--target",
    type=click.Choice(["risingwave"]),
    help="A target of profiles.yml, instead of the embedded engine.",
)
@click.option("--linked", is_flag=True, help="Also other persons who used the same devices.")
@click.option("--dry-run", is_flag=True, help="Say which ids and rows it would be, and change nothing.")
@click.option(
    "--keep-files", is_flag=True, help="Do not rewrite files; the deleted rows' bytes stay in free space."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")
@click.pass_obj
def command(
    home: Home, users: tuple[str, ...], listed: TextIO | None, target: str | None, linked: bool, dry_run: bool, keep_files: bool, as_json: bool
) -> None:  # fmt: skip
    """Forget people, by the ids of persons or of visitors.

    Removes every row that names them, under all ids that they ever had, from sources, raw messages and views, from
    what was set aside, from samples of errors and feeds of changes, and from files. What comes late stays out: of
    each id a keyed hash is kept. It cannot be taken back. Without USER it forgets whom erased_users names,
    removes what came late of those forgotten before, and cleans files after erasures that ended before theirs were:
    it rewrites every table then.

    \b
    Example:
      millstream forget user-1 --dry-run
      millstream forget user-1
    """
    ids = [*users, *(line.strip() for line in listed or () if line.strip())]
    if target is not None:
        tell(forget_there(ids, linked=linked, dry_run=dry_run), as_json=as_json)
        return
    from millstream.engine import deploy  # the engine is slow to import, and --help needs none of it
    from millstream.engine.erasure.carry_out import count
    from millstream.engine.erasure.people import People
    from millstream.engine.state.locks import worker_connected

    began = time.monotonic()
    running = server.connect(home.path)
    with deploy.connect(running.dsn("owner")) as connection:
        visitors: list[str] = []
        after: dict[str, Any] = {}
        if not users and listed is None:
            ids, visitors = late(connection)
            if not ids and not count(connection, People(set(), set(visitors), linked)):
                visitors = []  # what is left of them names somebody else
            if not running.external:
                after = finish(connection, change=not keep_files and not dry_run)
            if not ids and not visitors:
                if not as_json and not after:
                    click.echo("nobody is left to forget")
                elif as_json:
                    click.echo(json.dumps(after, indent=2))
                return
        refuse_nobody(ids or visitors)
        people = People(set(ids), set(visitors), linked)
        removed = dict(count(connection, people))
        if dry_run:
            tell_plan(people, removed, after, as_json=as_json)
            return
        # one that was killed is being started again
        if not wait_until(lambda: worker_connected(connection), WORKER_SECONDS):
            raise MillstreamError("no worker runs, which would forget them\n  hint: millstream up")
        number = request(connection, ids, visitors, linked=linked)
        report = wait(connection, number)
        if not keep_files and not running.external:
            report |= clean_files(connection, home.path, people.everything, number)
    report |= after | {"seconds": round(time.monotonic() - began, 2)}
    tell(report, as_json=as_json)


def late(connection: psycopg.Connection) -> tuple[list[str], list[str]]:
    """The ids that the sources have although they are erased: whole ones, and visitors of erased people."""
    row = connection.execute(LATE).fetchone()
    assert row is not None
    return row[0], row[1]


def finish(connection: psycopg.Connection, *, change: bool) -> dict[str, Any]:
    """Clean files after erasures that ended before theirs were, or only say how many there are; returns the report."""
    from millstream.engine.erasure.unfinished import clean_after, uncleaned

    numbers = uncleaned(connection)
    if not numbers:
        return {}
    many = f"{len(numbers)} {'erasure has' if len(numbers) == 1 else 'erasures have'} left bytes in files"
    if not change:
        click.echo(f"{many}: `millstream forget`, with nothing after it, rewrites every table", err=True)
        return {"uncleaned": numbers}
    click.echo(f"{many}: rewriting every table, which may take long", err=True)
    done, left = clean_after(connection, numbers)
    click.echo(f"{len(done)} tables rewritten", err=True)
    for name in left:
        click.echo(f"  {name} was in use: run the command again when nobody uses it", err=True)
    return {"uncleaned": numbers if left else [], "tables": len(done), "in_use": left}


def refuse_nobody(ids: list[str]) -> None:
    """Refuse ids that name nobody: they would take the rows of all whom nobody knows."""
    from millstream.engine.erasure.nobody import is_nobody

    wrong = [repr(each) for each in ids if is_nobody(each)]
    if wrong or not ids:
        shown = ", ".join(wrong) or "an empty list"
        raise MillstreamError(f"{shown} names nobody\n  hint: give ids of persons or visitors")


def forget_there(ids: list[str], *, linked: bool, dry_run: bool) -> dict[str, Any]:
    """Forget people on RisingWave; returns the report."""
    from millstream.engine.erasure.people import People
    from millstream.engine.erasure.risingwave import forget
    from millstream.migration.target import open_risingwave
    from millstream.project import find_project

    if dry_run:
        raise click.UsageError(
            "--dry-run needs a transaction that can be taken back, which RisingWave has not"
        )
    refuse_nobody(ids)
    began = time.monotonic()
    people = People(set(ids), set(), linked)
    with open_risingwave(find_project()) as opened:
        removed, messages = forget(opened.connection, people)
    return {
        "ids": len(people.hashes | people.visitor_hashes),
        "removed": dict(removed),
        "messages": messages,
        "seconds": round(time.monotonic() - began, 2),
    }


def request(connection: psycopg.Connection, ids: list[str], visitors: list[str], *, linked: bool) -> int:
    """Ask the worker; returns the number of the request, which stays whatever happens to this command."""
    row = connection.execute(
        "select millstream.request_erasure(%s::text[], %s::text[], %s)", [ids, visitors, linked]
    ).fetchone()
    assert row is not None
    return int(row[0])


def wait(connection: psycopg.Connection, number: int, seconds: float = 300.0) -> dict[str, Any]:
    """Wait until no relation has anything of them."""
    deadline = time.monotonic() + seconds
    while True:
        row = connection.execute(
            "select done_at is not null, removed, error, cardinality(id_hashes) from millstream.erasure where number = %s",
            [number],
        ).fetchone()
        assert row is not None
        if row[0]:
            return {"erasure": number, "ids": row[3], "removed": row[1]}
        if time.monotonic() > deadline:
            raise MillstreamError(
                f"erasure {number} is not done after {seconds:.0f} s: {row[2] or 'the worker has not come to it'}\n"
                "  hint: it stays asked for; look at `millstream status`, and run the command again to wait on"
            )
        time.sleep(POLL_SECONDS)


def clean_files(connection: psycopg.Connection, home: Path, ids: list[str], number: int) -> dict[str, Any]:
    """Rewrite the files that have the bytes of deleted rows; says what is left where."""
    from millstream.engine.erasure.files import WAL, clean, relation_of

    cleaned = clean(connection, home, ids)
    log = [path for path in cleaned.remains if WAL in path.parts]
    others = []
    for path in cleaned.remains:
        if path not in log:
            relation = relation_of(connection, path)
            others.append(f"{path.relative_to(home)}{f' ({relation})' if relation else ''}")
    others += cleaned.left
    if not others:
        connection.execute(
            "update millstream.erasure set cleaned_at = clock_timestamp() where number = %s", [number]
        )
    return {
        "rewritten": list(cleaned.rewritten),
        "logs": list(cleaned.scrubbed),
        "remains": others,
        "write_ahead_log_files": len(log),
        "ids_too_short_for_files": cleaned.untold,
    }


def tell_plan(people: People, removed: dict[str, int], after: dict[str, Any], *, as_json: bool) -> None:
    """Print what would be forgotten."""
    plan = {"ids": sorted(people.ids), "visitors": sorted(people.visitors), "rows": removed}
    if as_json:
        click.echo(json.dumps(plan | after, indent=2, ensure_ascii=False))
        return
    click.echo(f"would forget {', '.join(plan['ids'])}")
    if people.visitors:
        click.echo(f"and the visitors that they were: {', '.join(plan['visitors'])}")
    for relation, rows in sorted(removed.items()):
        click.echo(f"  {relation}: {counted(rows, 'row')}")
    if not removed:
        click.echo("no source has a row of them")


def tell(report: dict[str, Any], *, as_json: bool) -> None:
    """Print what was done, and what is left."""
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(f"forgotten, with {report['ids']} ids, in {report['seconds']:,.1f} s")
    for relation, rows in sorted(report["removed"].items()):
        click.echo(f"  {relation}: {counted(rows, 'row')} removed")
    if not report["removed"]:
        click.echo("no row was there; what comes late stays out")
    for table in report.get("messages", ()):
        click.echo(f"  {table} takes no DELETE: its messages stay until their retention ends")
    if "rewritten" in report:
        click.echo(
            f"files: {len(report['rewritten'])} relations rewritten, {len(report['logs'])} logs scrubbed"
        )
        for path in report["remains"]:
            click.echo(f"  {path} still has something of them: run the command again when nobody uses it")
        if report["ids_too_short_for_files"]:
            click.echo(
                f"  {report['ids_too_short_for_files']} ids have fewer than 3 bytes and cannot be told apart in files:"
                " every table was rewritten, and nothing was looked for"
            )
        if report["write_ahead_log_files"]:
            click.echo(
                f"  the write-ahead log has it in {counted(report['write_ahead_log_files'], 'file')} until they are used again"
            )
    click.echo("copies elsewhere are yours to clean: backups, exports, topics, files that were loaded")
