"""A copy of the project that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.project.compiled import ROOT

PARTS = ("sql", "macros", "udfs", "tests/sql", "dbt_project.yml", "profiles.yml", ".dbtignore")


def copy_project(target: Path) -> Path:
    """Copy what dbt reads of the project to a new folder, and return it."""
    for part in PARTS:
        source, place = ROOT / part, target / part
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
    return target


def add_strategy(project: Path, row: str) -> None:
    """Add a row, as YAML, to the strategies of a project."""
    path = project / "dbt_project.yml"
    head, found, rest = path.read_text().partition("  strategies:\n")
    assert found
    path.write_text(f"{head}{found}    - {row}\n{rest}")
