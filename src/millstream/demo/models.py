"""Deploy the project's models with dbt, in this process, with a progress bar."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from millstream.demo.steps import DemoFailed
from millstream.server import Home

SOURCES = ("run", "--select", "sources,config.materialized:table_with_connector")
ERASED = ("run", "--select", "+load_erased_ids")  # whom the embeddings leave out
EVERYTHING = ("build", "--exclude", "resource_type:test", "resource_type:unit_test")
FILES = ("dbt_project.yml", "profiles.yml", "sql/**/*", "macros/**/*", "udfs/**/*.py", "udfs/**/*.yml")
BAD = ("error", "fail", "runtime error", "skipped")
SHOWN = 3  # failures that are told; dbt.log has all of them


def digest(project: Path) -> str:
    """Identify the files from which models are deployed."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in project.glob(pattern) if path.is_file()}):
        total.update(f"{path.relative_to(project)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def deploy(command: Sequence[str], project: Path, home: Home, console: Console) -> dict[str, int]:
    """Run a dbt command; return how many nodes were created, replaced or unchanged.

    Raises DemoFailed with dbt's messages where a node does not succeed.
    """
    from dbt.cli.main import dbtRunner

    os.environ["MILLSTREAM_HOME"] = str(
        home.path
    )  # the profile's home, and where Python functions find their files
    columns = (TextColumn("  {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("reading the project", total=None)

        def heard(event: Any) -> None:
            if event.info.name == "LogStartLine":
                bars.update(task, description=event.data.description.split(".")[-1], total=event.data.total)
            elif event.info.name == "NodeFinished":
                bars.advance(task)

        arguments = [
            *command,
            "--project-dir", str(project),
            "--profiles-dir", str(project),
            "--log-path", str(home.logs),
            "--target", "embedded",
            "--quiet",
            "--log-level", "none",
        ]  # fmt: skip
        outcome = dbtRunner(callbacks=[heard]).invoke(arguments)
    results = list(getattr(outcome.result, "results", ()))
    failed = [f"{r.node.name}: {r.message}" for r in results if str(r.status) in BAD and r.message]
    if not outcome.success:
        reasons = failed[:SHOWN] or [str(outcome.exception or "dbt did not finish")]
        raise DemoFailed(
            f"dbt {' '.join(command)} failed:\n  "
            + "\n  ".join(reasons)
            + f"\n  hint: see {home.logs / 'dbt.log'}"
        )
    counts: dict[str, int] = {}
    for result in results:
        action = str(result.message or "").split(":")[0].lower()
        if action in ("created", "replaced", "unchanged"):
            counts[action] = counts.get(action, 0) + 1
    return counts
