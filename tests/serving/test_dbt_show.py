"""`dbt show` and `dbt compile` of every model that ships."""

from __future__ import annotations

import gc
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner

from tests.databases import Databases
from tests.serving.project import ROOT

MODELS = {path.stem for path in (ROOT / "sql").rglob("*.sql")}
ELSEWHERE = {path.stem for path in (*ROOT.glob("sql/sinks/*.sql"), *ROOT.glob("sql/sources/kafka/*.sql"))}
INJECTED = re.compile(r"with\s+ordinality", re.IGNORECASE)


@pytest.fixture
def dsn(
    shop_databases: Databases, deployed: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> str:
    found = shop_databases.dsn(deployed[0])
    monkeypatch.setenv("MILLSTREAM_DSN", found)
    return found


def dbt(scratch: Path, *command: str) -> Any:
    """The results of a command, which must succeed, for the models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dbt's own, which are not ours to change
        outcome = dbtRunner().invoke(
            [
                *command,
                *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target", "embedded"),
                *("--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")),
                *("--quiet", "--log-level", "none"),
            ]
        )
        reset_adapters()
        gc.collect()  # dbt leaves its log files to the garbage collector
    assert outcome.success, outcome.exception
    return [result for result in outcome.result.results if result.node.resource_type == "model"]


def test_every_model_is_shown(dsn: str, tmp_path: Path) -> None:
    shown = {
        result.node.name: result.agate_table
        for result in dbt(tmp_path, "show", "--select", "path:sql", "--limit", "3")
    }
    assert set(shown) == MODELS - ELSEWHERE
    assert {name for name, table in shown.items() if not table.column_names} == set()
    some = {name for name, table in shown.items() if table.rows}
    assert {
        "events",
        "stg_events",
        "cand_covisitation",
        "rank_user_list",
        "serve_popular",
    } <= some
    assert all(len(table.rows) <= 3 for table in shown.values())


def test_every_model_is_compiled_with_its_words_kept(dsn: str, tmp_path: Path) -> None:
    compiled = dbt(tmp_path, "compile", "--select", "path:sql")
    for result in compiled:
        written = len(INJECTED.findall(result.node.raw_code))
        assert len(INJECTED.findall(result.node.compiled_code)) >= written, result.node.name
