"""Run dbt in this process: compile the project, and deploy it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millstream.errors import MillstreamError

BAD = ("error", "fail", "runtime error", "skipped")
SHOWN = 3  # failures that are told; dbt.log has all of them


class DeployFailed(MillstreamError):
    """dbt did not come to its end; the text has the first reasons and the remedy."""


def invoke(
    root: Path, home: Path, target: str, *command: str, heard: Callable[[Any], None] | None = None
) -> Any:
    """Run a dbt command on the project; returns dbt's result. Raises DeployFailed where a node fails."""
    from dbt.cli.main import dbtRunner

    os.environ["MILLSTREAM_HOME"] = str(
        home
    )  # the profile's home, and where Python functions find their files
    logs = home / "logs"
    outcome = dbtRunner(callbacks=[heard] if heard is not None else []).invoke(
        [
            *command,
            *("--project-dir", str(root), "--profiles-dir", str(root), "--target", target),
            *("--target-path", str(root / "target"), "--log-path", str(logs)),
            *("--quiet", "--log-level", "none"),
        ]
    )
    if not outcome.success:
        results = [each for each in getattr(outcome.result, "results", ()) if hasattr(each, "node")]
        failed = [f"{r.node.name}: {r.message}" for r in results if str(r.status) in BAD and r.message]
        reasons = failed[:SHOWN] or [str(outcome.exception or "dbt did not finish")]
        raise DeployFailed(
            f"dbt {command[0]} failed:\n  "
            + "\n  ".join(reasons)
            + f"\n  hint: what was not reached is as it was; correct it and deploy again. All of it: {logs / 'dbt.log'}"
        )
    return outcome.result


def compile_project(root: Path, home: Path, target: str) -> dict[str, Any]:
    """Compile every model without asking a server; returns dbt's manifest."""
    invoke(root, home, target, "compile", "--no-introspect", "--no-populate-cache")
    manifest: dict[str, Any] = json.loads((root / "target/manifest.json").read_text())
    return manifest


def vars_of(config: Any) -> dict[str, Any]:
    """The vars of a project by dbt's configuration of a run: its own under its name, and the command line's, go first."""
    given: dict[str, Any] = config.vars.to_dict()
    return {**given, **given.get(config.project_name, {}), **config.cli_vars}


def compiled_vars(adapter: str) -> dict[str, Any]:
    """The vars of the project that was compiled last, for an adapter's type."""
    from dbt.adapters.factory import FACTORY

    compiled: Any = FACTORY.adapters[adapter]
    return vars_of(compiled.config)


def results(result: Any) -> dict[str, str]:
    """What dbt says of each node of a run, by its name."""
    return {each.node.name: str(each.message) for each in result.results if hasattr(each, "node")}
