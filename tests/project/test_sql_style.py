"""sqlfluff is content with every model and every dbt test."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlfluff.core import FluffConfig, Linter

from tests.project.compiled import ROOT

# No dialect of sqlfluff reads RisingWave's process-time join, nor its CREATE TABLE and CREATE SINK.
PROCESS_TIME = " for system_time as of proctime()"
FILES = sorted([*(ROOT / "sql").rglob("*.sql"), *(ROOT / "tests/sql").glob("*.sql")])
OUTSIDE = ("materialized='table_with_connector'", "materialized='sink'")
LINTED = [
    path
    for path in FILES
    if not {"sources", "sinks"} & set(path.parts) and not any(kind in path.read_text() for kind in OUTSIDE)
]


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter(config=FluffConfig.from_path(str(ROOT)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", LINTED, ids=lambda path: path.stem)
def test_a_file_is_lint_clean(linter: Linter, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = path.read_text().replace(PROCESS_TIME, "")
    linted = linter.lint_string(text, fname=str(path.relative_to(ROOT)))
    found = [
        f"{path.relative_to(ROOT)}:{violation.line_no}:{violation.line_pos} {violation.desc()}"
        for violation in linted.get_violations()
    ]
    assert found == []
