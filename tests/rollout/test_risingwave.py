"""`millstream deploy --target risingwave`, on a recorded RisingWave: the plan, the statements, the way back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from millstream.cli import main
from millstream.rollout.risingwave.shape import shape_of
from millstream.rollout.risingwave.stamp import definition_hash, read_stamp
from tests.conformance.recorder import RisingWave
from tests.conformance.runs import Project
from tests.conformance.test_risingwave_deploys import short


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def deploy(project: Project, monkeypatch: pytest.MonkeyPatch, *options: str, status: int = 0) -> Result:
    monkeypatch.chdir(project.root)
    with project.server.recording():
        answer = CliRunner().invoke(main, ["deploy", "--target", "risingwave", *options])
    assert answer.exit_code == status, answer.output
    return answer


def plan(project: Project, monkeypatch: pytest.MonkeyPatch, *options: str, status: int = 0) -> dict[str, Any]:
    answer = json.loads(deploy(project, monkeypatch, "--json", *options, status=status).stdout)
    steps = {step["name"].split(".")[1]: (step["action"], step["reason"]) for step in answer["steps"]}
    return {**answer, "by_name": steps}


def test_the_plan_finds_what_a_run_deployed_unchanged(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plan(small, monkeypatch, "--dry-run", "--detailed-exitcode")
    assert set(found["by_name"].values()) == {("unchanged", "")}
    assert set(found["by_name"]) == {
        "clicks",
        "counts",
        "idle",
        "popular",
        "popular_to_kafka",
        "serve_popular",
    }
    assert small.server.sent == []


def test_the_stamp_of_a_table_has_its_shape(small: Project) -> None:
    relation = small.server.relations["clicks"]
    stamp = read_stamp(small.server.registry["public.clicks"][0])
    assert stamp is not None
    shape = shape_of(relation.statement)
    assert (stamp.columns, stamp.rest) == (shape.columns, shape.rest)
    assert shape.columns == ("click_id varchar primary key", "item_id varchar", "price numeric(10, 2)")


def test_a_hash_leaves_comments_out_and_keeps_what_looks_like_one() -> None:
    assert definition_hash("view", "select 1 -- one\n  as a") == definition_hash("view", "select 1 as a")
    assert definition_hash("view", "select '-- a'") != definition_hash("view", "select '-- b'")


def test_a_change_is_planned_deployed_and_undone_by_renaming(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    relations = small.server.relations
    before = {name: relations[name].id for name in ("counts", "popular", "serve_popular")}
    small.edit("counts", "count(*) as clicks", "count(*) + 0 as clicks")
    found = plan(small, monkeypatch, "--dry-run", "--detailed-exitcode", status=2)["by_name"]
    assert found == {
        "clicks": ("unchanged", ""),
        "counts": ("change", "its definition changed"),
        "idle": ("unchanged", ""),
        "popular": ("rebuild", "reads public.counts"),
        "popular_to_kafka": ("rebuild", "reads public.popular, because public.counts changes"),
        "serve_popular": ("rebuild", "reads public.popular, because public.counts changes"),
    }
    done = plan(small, monkeypatch, "--yes")["done"]
    assert done["rows"] == {"public.counts": [7, 7], "public.popular": [7, 7]}
    assert {name for name in relations if re.search(r"__\d", name)} == {
        "counts__2",
        "popular__2",
        "serve_popular__2",
    }

    deploy(small, monkeypatch, "--rollback", "--yes")
    sent = small.server.sent
    assert short([text for text in sent if "swap" in text or text.startswith(("create", "drop"))]) == [
        "alter materialized view counts swap with counts__2",
        "alter materialized view popular swap with popular__2",
        "alter view serve_popular swap with serve_popular__2",
        "create sink popular_to_kafka__3 from popular",
        "alter sink popular_to_kafka swap with popular_to_kafka__3",
        "drop sink popular_to_kafka__3",
    ]
    assert {name: relations[name].id for name in before} == before
    assert relations["serve_popular"].reads == (relations["popular"].id,)
    assert relations["popular_to_kafka"].reads == (relations["popular"].id,)
    assert plan(small, monkeypatch, "--dry-run")["by_name"]["counts"][0] == "change"
    assert "no earlier version" in deploy(small, monkeypatch, "--rollback", status=1).output

    small.edit("counts", "count(*) + 0 as clicks", "count(*) as clicks")
    assert plan(small, monkeypatch, "--dry-run", "--detailed-exitcode")["changes"] is False
    small.run()
    assert not [name for name in relations if re.search(r"__\d", name)]


def test_what_an_earlier_deploy_kept_goes_with_the_next(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.edit("counts", "count(*)", "1 * count(*)")
    deploy(small, monkeypatch, "--yes")
    small.edit("idle", "price > 1", "price > 2")
    deploy(small, monkeypatch, "--yes")
    assert {name for name in small.server.relations if re.search(r"__\d", name)} == {"idle__2"}


def test_a_view_left_behind_is_planned_even_if_nothing_changed(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.edit("counts", "count(*)", "1 * count(*)")
    small.run("--select", "counts")
    found = plan(small, monkeypatch, "--dry-run")["by_name"]
    assert found["counts"] == ("unchanged", "")
    assert found["popular"] == ("change", "it read an older public.counts")


def test_a_table_that_cannot_change_refuses_the_plan(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    small.edit("clicks", "item_id varchar", "item_id integer")
    answer = deploy(small, monkeypatch, "--yes", status=1)
    assert "load into a table of a new name" in answer.output
    assert small.server.sent == []
    small.edit("clicks", "item_id integer", "item_id varchar")
    small.edit("clicks", "numeric(10, 2)", "numeric(10, 2),\n    tags varchar[]")
    assert plan(small, monkeypatch, "--dry-run")["by_name"]["clicks"] == ("change", "gains tags varchar[]")


def test_what_left_the_project_is_dropped(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (small.root / "models/idle.sql").unlink()
    assert plan(small, monkeypatch, "--yes")["by_name"]["idle"] == ("drop", "left the project")
    assert "idle" not in small.server.relations


def test_a_server_that_dies_in_the_middle_leaves_a_deploy_that_can_be_gone_on_with(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.edit("counts", "count(*)", "1 * count(*)")
    serving = small.server.relations["serve_popular"].id
    small.server.fail_on = '"popular__2" as'
    answer = deploy(small, monkeypatch, "--yes", status=1)
    assert "what was not reached is as it was" in answer.output
    assert small.server.relations["serve_popular"].id == serving
    small.server.fail_on = None
    deploy(small, monkeypatch, "--yes")
    relations = small.server.relations
    assert relations["serve_popular"].reads == (relations["popular"].id,)
    assert relations["popular"].reads == (relations["counts"].id,)


def test_a_first_deploy_is_all_new(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    small.server = RisingWave()
    found = plan(small, monkeypatch, "--dry-run")
    assert set(found["by_name"].values()) == {("create", "new")}
    assert small.server.sent == []


def test_no_server_is_one_message_with_the_remedy(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    monkeypatch.setenv("RISINGWAVE_PORT", "1")
    with mock.patch("time.sleep"):
        answer = CliRunner().invoke(main, ["deploy", "--target", "risingwave", "--dry-run"])
    assert answer.exit_code == 1
    assert "RisingWave does not answer at localhost:1" in answer.output
    assert "RISINGWAVE_HOST" in answer.output
