"""The demo from start to end. Every step checks by a query that it did what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console

from millstream.demo import history, models
from millstream.demo.live import Replay, await_events, lines_since, watch
from millstream.demo.people import choose, look_up, show_list, side_by_side
from millstream.demo.purchase import buy
from millstream.demo.settings import LIST_ROWS, DemoSettings
from millstream.demo.steps import DemoFailed, DemoStep, Steps
from millstream.project import find_project, import_loaders
from millstream.server import Server

Start = Callable[[], Server]
FIRST_EVENTS = 20  # live events that the views must show before anything is timed


def run(start: Start, settings: DemoSettings, console: Console) -> None:
    """Tell the whole story. `start` brings the server and the worker up on the event clock and returns the server.

    Raises DemoFailed where a step does not hold.
    """
    errors = import_loaders("schema.errors")
    try:
        _run(start, settings, console)
    except errors.LoaderError as error:
        raise DemoFailed(str(error)) from error


def _run(start: Start, settings: DemoSettings, console: Console) -> None:
    steps = Steps(console)
    with steps.step("start the server") as step:
        server = start()
        step.note = f"PostgreSQL and the worker, {server.host}:{server.port}, home {near(server.home.path)}"
    prepare(steps, server, settings, console)
    with (
        psycopg.connect(server.dsn("owner"), autocommit=True) as owner,
        psycopg.connect(server.dsn("writer"), autocommit=True) as writer,
        psycopg.connect(server.dsn("reader"), autocommit=True) as reader,
    ):
        before = lines_since(owner, settings.history_until)
        with Replay(server, settings) as replay:
            households = show_households(steps, owner, reader, server, settings, console)
            with steps.step("follow the log live") as step:
                await_events(step, replay, owner, before, FIRST_EVENTS)
            with steps.step("one purchase") as step:
                purchase = buy(step, owner, writer, reader, households[0])
                step.note = f"household {households[0]} buys {purchase.bought.name}"
            side_by_side(purchase.before, purchase.after, purchase.bought, console)
            console.print(
                f"[bold]{purchase.milliseconds:.0f} ms[/] from the commit to the changed list in hand\n"
            )
            if settings.once:
                with steps.step("the days that follow") as step:
                    await_events(step, replay, owner, before, settings.once_events)
            if not console.record:  # a picture shows no password
                invite(console, server, households[0])
            if not settings.once:
                console.print(f"replaying at {settings.speed:g}x; Ctrl-C stops the replay\n")
                watch(replay, owner, reader, console)


def near(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def prepare(steps: Steps, server: Server, settings: DemoSettings, console: Console) -> None:
    """Everything before the first list: sources, history, rules, embeddings, views. What is done is not done again."""
    project = find_project()
    with psycopg.connect(server.dsn("owner"), autocommit=True) as owner:
        if not deployed(owner, "table"):
            with steps.step("deploy the sources") as step:
                models.deploy(models.SOURCES, project, server.home, console)
                step.expect("events" in deployed(owner, "table"), "the events relation is not deployed")
                step.note = f"{len(deployed(owner, 'table'))} relations that anybody may INSERT into"
        with steps.step("load the history") as step:
            history.load_history(step, server, settings.history_until, console.is_terminal)
        with steps.step("set rules and weights") as step:
            history.set_rules(step, server, project)
        with steps.step("train embeddings") as step:
            if "load_erased_ids" not in deployed(owner):
                models.deploy(models.ERASED, project, server.home, console)
            history.embed(step, server, console.is_terminal)
        with steps.step("deploy the views") as step:
            made = deploy_views(owner, server, project, console)
            check_views(step, owner)
            step.note = f"{len(deployed(owner, 'materialized_view'))} kept current ({made})"


def deployed(owner: psycopg.Connection, kind: str | None = None) -> set[str]:
    """Names of what is deployed, of one kind or all."""
    rows = owner.execute(
        "select name from millstream.relation where %s::text is null or kind = %s", [kind, kind]
    )
    return {row[0] for row in rows}


def deploy_views(owner: psycopg.Connection, server: Server, project: Path, console: Console) -> str:
    """Deploy every model, unless the files are those of the last time; return what was done, in words."""
    known, digest = history.recall(server.home), models.digest(project)
    if known.project == digest and known.relations == len(deployed(owner)):
        return "no file has changed since they were deployed"
    counts = models.deploy(models.EVERYTHING, project, server.home, console)
    history.remember(server.home, project=digest, relations=len(deployed(owner)))
    return ", ".join(f"{number} {action}" for action, number in counts.items())


def check_views(step: DemoStep, owner: psycopg.Connection) -> None:
    """Check that the views hold what the sources say."""
    owner.execute("call millstream.flush()")
    row = owner.execute(
        "select (select count(*) from events), (select count(*) from stg_events),"
        " (select count(*) from stg_events_quarantined), (select count(*) from feat_user_recent),"
        " (select count(*) from rank_user_list)"
    ).fetchone()
    assert row is not None
    events, used, quarantined, people, lists = row
    step.expect(
        used + quarantined == events,
        f"of {events:,} events {used:,} are used and {quarantined:,} quarantined",
    )
    step.expect(people == lists > 0, f"{lists:,} lists were computed for {people:,} households")


def show_households(
    steps: Steps,
    owner: psycopg.Connection,
    reader: psycopg.Connection,
    server: Server,
    settings: DemoSettings,
    console: Console,
) -> tuple[str, ...]:
    """Print what some households are recommended; return their ids."""
    with steps.step("read recommendations") as step:
        households = history.recall(server.home).households or choose(owner, settings.history_until)
        step.expect(bool(households), "no household of known segment has bought anything")
        history.remember(server.home, households=households)
        tables = [show_list(step, reader, look_up(owner, user_id)) for user_id in households]
        step.note = (
            f"{LIST_ROWS} rows each for {len(households)} households, {steps.elapsed:.0f} s after the start"
        )
    console.print()
    console.print(*tables, sep="\n")
    return households


def invite(console: Console, server: Server, user_id: str) -> None:
    """Say how to go on."""
    console.print("The server goes on. Read it with any PostgreSQL client:")
    console.print(f"  {server.dsn('reader')}", soft_wrap=True, markup=False)
    query = f"select rank, name, reason_text from serve_recommendations where user_id = '{user_id}' order by rank limit 5"
    console.print(f'  millstream psql -- -c "{query}"', soft_wrap=True, markup=False)
    console.print("  millstream recommend " + user_id, markup=False)
    console.print("Stop it with: make down", markup=False)
