"""`millstream deploy` on the embedded engine: the plan, the deploy, the way back, and being cut off."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from millstream import server
from millstream.cli import main
from millstream.engine.catalog.project_settings import read_project_settings
from millstream.server.process import wait_until
from tests.cli.program import Program

PROJECT = """
name: small
version: "1.0.0"
profile: small
model-paths: ["models"]
flags: {send_anonymous_usage_stats: false}
"""
PROFILE = """
small:
  target: embedded
  outputs:
    embedded: {{type: millstream, home: "{{{{ env_var('MILLSTREAM_HOME') }}}}", schema: {schema}, threads: 1}}
"""
MODELS = {
    "clicks": """{{ config(materialized='table_with_connector') }}
create table {{ this }} (click_id varchar primary key, item_id varchar) on conflict do nothing""",
    "counts": """{{ config(materialized='materialized_view') }}
select item_id, count(*) as clicks from {{ ref('clicks') }} group by item_id""",
    "popular": """{{ config(materialized='materialized_view') }}
select item_id, clicks from {{ ref('counts') }} where clicks >= 2""",
    "serve_popular": "{{ config(materialized='view') }} select item_id, clicks from {{ ref('popular') }}",
    "idle": """{{ config(materialized='materialized_view') }}
select click_id from {{ ref('clicks') }} where item_id is null""",
}


@dataclass
class Shop:
    """A small dbt project in a schema of its own, on a server and worker that run."""

    root: Path
    program: Program
    schema: str
    connection: psycopg.Connection

    def deploy(self, *options: str, status: int = 0) -> Result:
        """Run the command in this process."""
        answer = CliRunner().invoke(main, ["--home", str(self.program.home), "deploy", *options])
        assert answer.exit_code == status, answer.output
        return answer

    def plan(self, *options: str, status: int = 0) -> dict[str, Any]:
        """The plan as JSON: name without schema → (action, reason), and the whole."""
        found = json.loads(self.deploy("--json", *options, status=status).stdout)
        steps = {step["name"].split(".")[1]: (step["action"], step["reason"]) for step in found["steps"]}
        return {**found, "by_name": steps}

    def actions(self, *options: str) -> dict[str, str]:
        return {name: action for name, (action, _) in self.plan("--dry-run", *options)["by_name"].items()}

    def write(self, name: str, text: str) -> None:
        (self.root / f"models/{name}.sql").write_text(text)

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.root / f"models/{name}.sql"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def click(self, *items: str) -> None:
        for item in items:
            self.query("insert into {}.clicks values (%s, %s)", secrets.token_hex(8), item)
        self.connection.execute("call millstream.flush()")

    def query(self, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in which {} is the schema."""
        cursor = self.connection.execute(sql.SQL(statement).format(sql.Identifier(self.schema)), values)
        return cursor.fetchall() if cursor.description else []

    def popular(self) -> list[tuple[Any, ...]]:
        return self.query("select item_id, clicks from {}.serve_popular order by item_id")

    def deployed(self) -> set[str]:
        rows = self.connection.execute(
            "select name from millstream.relation where schema_name = %s", [self.schema]
        )
        return {row[0] for row in rows}


@pytest.fixture
def shop(running: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    schema = f"shop_{secrets.token_hex(4)}"
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "profiles.yml").write_text(PROFILE.format(schema=schema))
    for name, text in MODELS.items():
        (tmp_path / f"models/{name}.sql").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLSTREAM_HOME", str(running.home))
    with psycopg.connect(server.connect(running.home).dsn("owner"), autocommit=True) as connection:
        yield Shop(tmp_path, running, schema, connection)


def test_a_dry_run_tells_what_is_new_and_deploys_nothing(shop: Shop) -> None:
    answer = shop.deploy("--dry-run", "--detailed-exitcode", status=2)
    lines = [line.split()[:4] for line in answer.output.splitlines() if line.startswith("+")]
    assert lines == [
        ["+", "create", kind, f"{shop.schema}.{name}"]
        for kind, name in (
            ("table", "clicks"),
            ("materialized_view", "counts"),
            ("materialized_view", "idle"),
            ("materialized_view", "popular"),
            ("view", "serve_popular"),
        )
    ]
    assert "embedded: 5 new" in answer.output
    assert shop.deployed() == set()


def test_a_deploy_changes_what_changed_and_a_rollback_undoes_it(shop: Shop) -> None:
    assert "there is no earlier version" not in shop.deploy("--yes").output
    assert shop.deployed() == set(MODELS)
    assert "nothing to do" in shop.deploy("--dry-run", "--detailed-exitcode").output
    shop.click("a", "a", "a", "b")
    assert shop.popular() == [("a", 3)]

    shop.edit("counts", "count(*) as clicks", "2 * count(*) as clicks")
    plan = shop.plan("--dry-run", "--detailed-exitcode", status=2)
    counts, popular = f"{shop.schema}.counts", f"{shop.schema}.popular"
    assert plan["by_name"] == {
        "clicks": ("unchanged", ""),
        "counts": ("change", "its definition changed"),
        "idle": ("unchanged", ""),
        "popular": ("rebuild", f"reads {counts}"),
        "serve_popular": ("unchanged", ""),
    }
    done = shop.plan("--yes")["done"]
    assert done["rows"] == {counts: [2, 2], popular: [1, 2]}
    assert shop.popular() == [("a", 6), ("b", 2)]

    back = shop.plan("--rollback", "--yes")
    assert (back["by_name"]["counts"][0], back["by_name"]["popular"][0]) == ("change", "rebuild")
    assert shop.popular() == [("a", 3)]
    shop.click("b")
    assert shop.popular() == [("a", 3), ("b", 2)]
    assert shop.actions()["counts"] == "change", "the project still differs from what runs"

    shop.deploy("--rollback", "--yes")
    assert shop.popular() == [("a", 6), ("b", 4)], "going back twice is going forward"


def test_what_left_the_project_is_dropped_but_for_tables_and_comes_back(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a")
    for name in ("serve_popular", "popular", "clicks", "counts", "idle"):
        (shop.root / f"models/{name}.sql").unlink()
    shop.write("other", "{{ config(materialized='view') }} select 1 as one")
    plan = shop.plan("--dry-run")
    assert [step["name"].split(".")[1] for step in plan["steps"] if step["action"] == "drop"] == [
        "serve_popular",
        "popular",
        "idle",
        "counts",
    ]
    assert plan["by_name"]["clicks"] == ("keep", "left the project, but it holds rows from outside")
    shop.deploy("--yes")
    assert shop.deployed() == {"clicks", "other"}
    shop.deploy("--rollback", "--yes")
    assert shop.deployed() == set(MODELS)
    assert shop.popular() == [("a", 2)]


def test_a_table_gains_columns_and_its_readers_are_rebuilt(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.edit("clicks", "item_id varchar)", "item_id varchar, device varchar)")
    assert shop.plan("--dry-run")["by_name"]["clicks"] == ("change", "gains device")
    shop.deploy("--yes")
    shop.query("insert into {}.clicks values ('1', 'a', 'phone')")
    assert "nothing to do" in shop.deploy("--yes").output


def test_a_plan_that_is_refused_changes_nothing_and_names_the_remedy(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.edit("clicks", "item_id varchar", "item_id integer")
    shop.edit("popular", ">= 2", ">= 1")
    answer = shop.deploy("--yes", status=1)
    assert "changed by more than new nullable columns at the end" in answer.output
    assert "load into a table of a new name" in answer.output
    assert "nothing was deployed" in answer.output
    shop.edit("clicks", "item_id integer", "item_id varchar")
    assert shop.actions()["popular"] == "change"


def test_a_view_that_nothing_reads_becomes_a_table(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a")
    shop.edit("serve_popular", "'view'", "'table'")
    assert shop.plan("--dry-run")["by_name"]["serve_popular"] == ("change", "was a view")
    shop.deploy("--yes")
    assert shop.popular() == [("a", 2)]
    assert "nothing to do" in shop.deploy("--yes").output
    back = shop.plan("--rollback", "--yes", status=1)["by_name"]["serve_popular"]
    assert back[0] == "refuse"
    assert "change the models back" in back[1]

    shop.edit("serve_popular", "'table'", "'view'")
    action, reason = shop.plan("--dry-run", status=1)["by_name"]["serve_popular"]
    assert action == "refuse"
    assert "is deployed as a table, whose rows would be lost" in reason
    assert "dbt run --full-refresh --select serve_popular+" in reason
    dbt_run(shop, "--full-refresh", "--select", "serve_popular+")
    assert "nothing to do" in shop.deploy("--yes").output


def test_a_view_that_is_read_becomes_a_table_only_under_full_refresh(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a")
    shop.edit("popular", "'materialized_view'", "'table'")
    action, reason = shop.plan("--yes", status=1)["by_name"]["popular"]
    assert action == "refuse"
    assert f"is deployed as a materialized_view, which {shop.schema}.serve_popular reads" in reason
    assert "dbt run --full-refresh --select popular+" in reason
    dbt_run(shop, "--full-refresh", "--select", "popular+")
    assert shop.popular() == [("a", 2)]
    assert "nothing to do" in shop.deploy("--yes").output


def test_a_model_that_is_refused_leaves_what_runs(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a")
    shop.edit("counts", "count(*) as clicks", "count(*) as clicks, random() as chance")
    answer = shop.deploy("--yes", status=1)
    assert "error[MS013]" in answer.output
    assert "models/counts.sql:2" in answer.output
    assert "correct it and deploy again" in answer.output
    assert shop.popular() == [("a", 2)]


def test_a_view_that_lost_all_rows_is_told_and_the_way_back_named(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a")
    shop.edit("popular", ">= 2", ">= 200")
    answer = shop.deploy("--yes", status=1)
    assert f"no rows any more: ['{shop.schema}.popular']" in answer.output
    assert "millstream deploy --rollback" in answer.output
    shop.deploy("--rollback", "--yes")
    assert shop.popular() == [("a", 2)]


def test_without_a_terminal_it_wants_to_be_told_yes(shop: Shop) -> None:
    answer = shop.deploy(status=1)
    assert "add --yes" in answer.output
    assert shop.deployed() == set()


def test_what_the_project_calls_things_is_planned_and_deployed(shop: Shop) -> None:
    shop.deploy("--yes")
    project = shop.root / "dbt_project.yml"
    project.write_text(PROJECT + "vars: {reader_prefix: api_}\n")
    assert shop.plan("--dry-run")["by_name"]["setting"] == ("change", "reader_prefix: api_")
    shop.deploy("--yes")
    assert read_project_settings(shop.connection).reader_prefix == "api_"
    project.write_text(PROJECT)
    shop.deploy("--yes")
    assert read_project_settings(shop.connection).reader_prefix == "serve_"
    assert not shop.plan("--dry-run")["by_name"].get("setting")


def test_two_deploys_at_once_are_one(shop: Shop) -> None:
    from millstream.rollout.embedded import target as embedded

    embedded.lock(shop.connection)
    assert "another `millstream deploy` is at work" in shop.deploy("--yes", status=1).output
    assert shop.deployed() == set()


def test_a_deploy_that_is_killed_leaves_views_serving_and_is_gone_on_with(shop: Shop) -> None:
    """SIGKILL after the first of two swaps: every view answers, the next deploy does the rest, and back means before."""
    shop.deploy("--yes")
    shop.click("a", "a", "a", "b")
    shop.edit("counts", "count(*) as clicks", "2 * count(*) as clicks")
    shop.edit("idle", "is null", "is not null")
    blocker = psycopg.connect(shop.connection.info.dsn, password=shop.connection.info.password)
    try:
        # A reader's transaction keeps the swap of `counts` waiting, until the process is dead.
        blocker.execute(sql.SQL("select * from {}.idle").format(sql.Identifier(shop.schema)))
        process = subprocess.Popen(
            [*shop.program.argv, "deploy", "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=shop.program.environment(),
            cwd=shop.root,
        )
        waits = "select 1 from millstream.deployment where finished_at is null"
        replaced = "select state from millstream.relation where name = 'counts' and state like %s"
        assert wait_until(lambda: shop.connection.execute(waits).fetchone() is not None, 30)
        assert wait_until(
            lambda: shop.connection.execute(replaced, [f"{shop.schema}.counts@2"]).fetchone() is not None, 30
        )
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert shop.popular() in ([("a", 3)], [("a", 6), ("b", 2)])
        assert blocker.execute(
            sql.SQL("select count(*) from {}.idle").format(sql.Identifier(shop.schema))
        ).fetchone() == (0,)
    finally:
        blocker.close()
    shop.deploy("--yes")
    assert shop.popular() == [("a", 6), ("b", 2)]
    assert shop.query("select count(*) from {}.idle") == [(4,)]
    shop.deploy("--rollback", "--yes")
    assert shop.popular() == [("a", 3)]
    assert shop.query("select count(*) from {}.idle") == [(0,)]


def test_without_a_server_the_remedy_is_named(
    fresh: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, ["--home", str(fresh.home), "deploy"])
    assert answer.exit_code == 1
    assert "millstream up" in answer.output


def dbt_run(shop: Shop, *options: str) -> None:
    """`dbt run` in a process of its own, as people type it."""
    command = [sys.executable, "-m", "dbt.cli.main", "run", "--project-dir", str(shop.root), *options]
    done = subprocess.run(
        [*command, "--profiles-dir", str(shop.root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_rollback_goes_back_one_deployment_whoever_made_it(shop: Shop) -> None:
    shop.deploy("--yes")
    shop.click("a", "a", "a", "b", "b", "c")
    shop.edit("popular", "clicks >= 2", "clicks >= 3")
    shop.deploy("--yes")
    shop.edit("popular", "clicks >= 3", "clicks >= 1")
    dbt_run(shop)
    assert [item for item, _ in shop.popular()] == ["a", "b", "c"]
    dbt_run(shop)  # which changes nothing, and is no deployment
    told = shop.deploy("--rollback", "--dry-run").output
    assert "takes back the `dbt run` of 20" in told
    assert f"change    materialized_view {shop.schema}.popular" in told
    assert [item for item, _ in shop.popular()] == ["a", "b", "c"]
    assert shop.plan("--rollback", "--yes")["undoes"].startswith("the `dbt run` of ")
    assert [item for item, _ in shop.popular()] == ["a"]
    assert "takes back the rollback of 20" in shop.deploy("--rollback", "--yes").output
    assert [item for item, _ in shop.popular()] == ["a", "b", "c"]


def test_what_dbt_drops_comes_back(shop: Shop) -> None:
    dbt_run(shop)
    (shop.root / "models/serve_popular.sql").unlink()
    command = [sys.executable, "-m", "dbt.cli.main", "run-operation", "drop_removed"]
    subprocess.run([*command, "--args", "{dry_run: false}"], check=True, stdout=subprocess.DEVNULL)
    assert "serve_popular" not in shop.deployed()
    assert "takes back the `dbt run-operation` of 20" in shop.deploy("--rollback", "--yes").output
    assert shop.deployed() == set(MODELS)
