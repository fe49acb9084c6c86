"""`millstream deploy`: plan, deploy, check, and the way back."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.markup import escape

from millstream.cli.words import counted
from millstream.rollout.project.plan import Plan, Say
from millstream.server import Home

CHANGES = 2  # exit status of --detailed-exitcode where there is something to deploy
MARKS = {
    "create": "[green]+[/] create   ",
    "change": "[yellow]~[/] change   ",
    "rebuild": "[yellow]~[/] rebuild  ",
    "drop": "[red]-[/] drop     ",
    "refuse": "[red]![/] refuse   ",
    "keep": "  keep     ",
}

WORDS = (
    ("create", "new"),
    ("change", "changed"),
    ("rebuild", "rebuilt with them"),
    ("drop", "dropped"),
    ("refuse", "refused"),
    ("unchanged", "unchanged"),
)


@click.command(name="deploy")
@click.option(
    "--target",
    type=click.Choice(["embedded", "risingwave"]),
    default="embedded",
    show_default=True,
    help="Where to: a target of profiles.yml.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="With --dry-run: exit status 2 if there is something to deploy, 0 if there is not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan, and what was done, as JSON.")
@click.option(
    "--rollback", is_flag=True, help="Go back one deployment, whoever made it: `dbt run` or this command."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(
    home: Home,
    target: str,
    dry_run: bool,
    detailed_exitcode: bool,
    as_json: bool,
    rollback: bool,
    yes: bool,
) -> None:
    """Deploy the project: plan, build beside, swap, check.

    Compares the dbt project around the working directory with what runs, says what would be done and why, and does it:
    changed views are built beside the old ones and swapped with everything that reads them, while applications go on
    reading. Afterwards it compares row counts. Exit status 0 is success, 1 an error or a plan that is refused.

    \b
    Example:
      millstream deploy
      millstream deploy --dry-run --detailed-exitcode --json
      millstream deploy --target risingwave --yes
      millstream deploy --rollback
    """
    from millstream.project import find_project
    from millstream.rollout import session  # dbt and the SQL parser are not needed for --help

    console = Console(highlight=False, stderr=as_json, soft_wrap=True)
    with session.open_session(target, home, find_project()) as opened:
        plan = opened.plan_rollback() if rollback else opened.plan()
        done: dict[str, object] = {}
        if not as_json:
            show(plan, console)
        refused = bool(plan.of("refuse"))
        if plan.changes and not dry_run and not refused:
            if not yes:
                confirm(plan)
            done = (opened.roll_back if rollback else opened.deploy)(plan, tell(console))
            if not as_json:
                show_done(done, console, "rolled back" if rollback else "deployed")
        if as_json:
            click.echo(json.dumps({**plan.as_json(), **({"done": done} if done else {})}, indent=2))
    if refused or done.get("suspicious"):
        sys.exit(1)
    if dry_run and detailed_exitcode and plan.changes:
        sys.exit(CHANGES)


def show(plan: Plan, console: Console) -> None:
    """The plan for people: what changes, in the order in which it is done, and how much does not."""
    if plan.undoes:
        console.print(f"takes back {escape(plan.undoes)}:")
    for step in plan.steps:
        if step.action in MARKS:
            what = f"{MARKS[step.action]} {step.kind:<17} [bold]{escape(step.name)}[/]"
            console.print(f"{what}  {escape(step.reason)}" if step.reason else what)
    for called in plan.functions:
        version = f"version {called.version}" if called.version is not None else "no version in its name"
        users = ", ".join(called.called_by) or "nothing"
        console.print(f"  python    {escape(called.name)} ({version}), called by {escape(users)}")
    told = [f"{len(plan.of(action))} {word}" for action, word in WORDS if plan.of(action)]
    console.print(f"{plan.target}: {', '.join(told) or 'nothing is deployed'}")
    if plan.of("refuse"):
        console.print("[red]nothing was deployed:[/] correct what is refused, and try again")
    elif not plan.changes:
        console.print("nothing to do")


def confirm(plan: Plan) -> None:
    """Ask on a terminal; elsewhere --yes is needed."""
    if not sys.stdin.isatty():
        raise click.ClickException("there is no terminal to ask on. Look at the plan above, then add --yes")
    dropped = ", ".join(step.name for step in plan.of("drop"))
    what = "go back" if plan.undoes else "deploy"
    click.confirm(
        f"drop {dropped} and {what} with the rest?" if dropped else f"{what}?", abort=True, err=True
    )


def show_done(done: dict[str, object], console: Console, word: str) -> None:
    """What was done: the row counts before and after, and what looks wrong."""
    rows = done.get("rows")
    assert isinstance(rows, dict)
    for name, (before, after) in sorted(rows.items()):
        was = f" (was {before:,})" if before is not None else ""
        console.print(f"  {escape(name)}: {counted(after, 'row')}{was}")
    suspicious = done.get("suspicious")
    if suspicious:
        console.print(
            f"[red]no rows any more:[/] {escape(str(suspicious))}. If that is wrong: millstream deploy --rollback"
        )
    else:
        console.print(f"[green]{word}[/]; the way back: millstream deploy --rollback")


def tell(console: Console) -> Say:
    """A line of progress."""
    return lambda line: console.print(f"  {escape(line)}")
