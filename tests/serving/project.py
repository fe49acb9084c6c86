"""The whole shipped project, deployed with dbt in this process."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path

from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).parents[2]


def deploy_project(scratch: Path, *arguments: str, project: Path = ROOT) -> None:
    """Run `dbt build` without its data tests on the server of MILLSTREAM_DSN; raises RuntimeError if a model fails."""
    given = [
        "build",
        "--exclude",
        "resource_type:test",
        "resource_type:unit_test",
        "--target",
        "embedded",
        "--quiet",
        "--no-use-colors",
        *arguments,
    ]
    given += ["--project-dir", str(project), "--profiles-dir", str(project)]
    given += ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dbt's own, which are not ours to change
        result = dbtRunner().invoke(given)
        reset_adapters()
        gc.collect()  # dbt leaves its log files to the garbage collector
    if not result.success:
        raise RuntimeError(f"dbt build failed: {result.exception or result.result}")
