"""The demo holds what it prints: after a kill, on a second run, and when something is wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loaders.formats.registry import open_source
from loaders.schema.rows import Event
from tests.demo.conftest import UNTIL, Demo

pytestmark = pytest.mark.timeout(600)
Played = subprocess.CompletedProcess[str]

STEPS = (
    "start the server",
    "load the history",
    "set rules and weights",
    "train embeddings",
    "deploy the views",
    "read recommendations",
    "follow the log live",
    "one purchase",
    "the days that follow",
)


def steps_of(output: str) -> list[str]:
    return re.findall(r"^✓ (.+?) {2,}[\d.]+ s", output, re.MULTILINE)


def count(demo: Demo, query: str) -> int:
    with demo.connect("owner") as owner:
        row = owner.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_killed_demo_goes_on_to_its_end(played: Played) -> None:
    assert steps_of(played.stdout) == list(STEPS)


def test_the_history_is_there_exactly_once(demo: Demo, played: Played) -> None:
    """The log's own lines before the day, read again, are what the database holds, though the first load was killed."""
    assert played.returncode == 0
    expected = {
        event.event_id
        for event in open_source("completejourney", until=UNTIL).events()
        if isinstance(event, Event)
    }
    with demo.connect("owner") as owner:
        there = owner.execute(
            "select event_id from events where occurred_at < %s and event_id like 'cj-%%'", [UNTIL]
        ).fetchall()
    assert len(there) == len(expected) > 10_000
    assert {row[0] for row in there} == expected


def test_real_households_get_named_products_for_a_reason(played: Played) -> None:
    assert len(re.findall(r"^household \d+ \(.+ lines\) bought last \S", played.stdout, re.MULTILINE)) == 3
    rows = re.findall(r"^ ?[1-8]  \S.* {2,}\S", played.stdout, re.MULTILINE)
    assert len(rows) == 3 * 8 + 8  # three lists, and one list side by side
    assert re.search(r"^\d+ ms from the commit to the changed list in hand$", played.stdout, re.MULTILINE)


def test_what_was_bought_is_not_offered_again(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    with demo.connect("owner") as owner, demo.connect("reader") as reader:
        purchases = owner.execute(
            "select user_id, item_id from events where event_id like 'demo-%'"
        ).fetchall()
        assert purchases
        for user_id, item_id in purchases:
            offered = reader.execute(
                "select 1 from serve_recommendations where user_id = %s and item_id = %s", [user_id, item_id]
            ).fetchall()
            assert offered == []


def test_the_printed_line_for_psql_works(demo: Demo, played: Played) -> None:
    (query,) = re.findall(r'^  millstream psql -- -c "(.+)"$', played.stdout, re.MULTILINE)
    (dsn,) = re.findall(r"^  (postgresql://\S+)$", played.stdout, re.MULTILINE)
    assert dsn == demo.server.dsn("reader")
    answer = demo.run("psql", "--", "--csv", "-c", query)
    assert answer.returncode == 0, answer.stderr
    header, *rows = answer.stdout.splitlines()
    assert header == "rank,name,reason_text"
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3", "4", "5"]


def test_a_second_run_resumes(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    before = count(demo, "select count(*) from events")
    again = demo.play()
    assert again.returncode == 0, again.stdout + again.stderr
    assert steps_of(again.stdout) == list(STEPS)
    assert "no file has changed since they were deployed" in again.stdout
    assert count(demo, "select count(*) from events") >= before + 200
    assert count(demo, "select count(*) - count(distinct event_id) from events") == 0


def test_a_stopped_server_is_started_again(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    assert demo.run("down").returncode == 0
    again = demo.play()
    assert again.returncode == 0, again.stdout + again.stderr


@contextmanager
def without_stock_row(demo: Demo) -> Iterator[None]:
    """One product has lost its stock row."""
    with demo.connect("writer") as writer:
        row = writer.execute("select item_id, quantity from inventory limit 1").fetchone()
        assert row is not None
        writer.execute("delete from inventory where item_id = %s", [row[0]])
        writer.execute("call millstream.flush()")
        try:
            yield
        finally:
            writer.execute("insert into inventory (item_id, quantity) values (%s, %s)", list(row))
            writer.execute("call millstream.flush()")


def test_a_step_that_does_not_hold_fails_the_demo(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    with without_stock_row(demo):
        failed = demo.play()
    assert failed.returncode == 1
    assert "✗ load the history" in failed.stdout
    assert "92,330 of 92,331 products have a stock row" in failed.stderr
    assert "make demo" in failed.stderr


@pytest.mark.parametrize("user", ["1", "nobody has this id"])
def test_recommend_prints_k_rows_for_anybody(demo: Demo, played: Played, user: str) -> None:
    assert played.returncode == 0
    answer = demo.run("recommend", user, "-k", "7", "--json")
    assert answer.returncode == 0, answer.stderr
    rows = json.loads(answer.stdout)
    assert [row["rank"] for row in rows] == list(range(1, 8))
    assert all(row["name"] and row["strategy"] and row["source"] for row in rows)


def test_explain_shows_how_the_lists_are_kept(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    answer = demo.run("explain", "rank_user_list", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    node = found["nodes"][-1]
    assert node["python"] == ["blend_v2"]
    assert node["driver"].startswith("feat_user_recent")
    assert "ranking_models" in node["looked_up"]
    assert node["stored"]["rows"] == count(demo, "select count(*) from rank_user_list")
    assert node["cost"]["ticks"] > 0
    tree = demo.run("explain", "rank_user_list")
    assert tree.returncode == 0
    assert "calls Python: blend_v2" in tree.stdout


def test_rerank_lets_new_weights_take_effect(demo: Demo, played: Played) -> None:
    """With nothing but popularity left, what is popular comes first; then all is as it was."""
    assert played.returncode == 0
    lists = "select coalesce(md5(string_agg(l::text, '' order by user_id)), '') from rank_user_list as l"
    with demo.connect("writer") as writer, demo.connect("owner") as owner:
        weights = writer.execute("select variant, strategy, weight from ranking_weights").fetchall()
        assert weights
        assert demo.run("rerank").returncode == 0  # what has become popular since people acted shows first
        before = owner.execute(lists).fetchone()
        writer.execute(
            "update ranking_weights set weight = case strategy when 'popularity' then 1 else 0 end"
        )
        writer.execute("call millstream.flush()")
        assert owner.execute(lists).fetchone() == before
        changed = demo.run("rerank", "--json")
        assert changed.returncode == 0, changed.stderr
        (result,) = json.loads(changed.stdout)
        assert result["name"] == "rank_user_list"
        assert result["changed"] > 0.9 * result["keys"] > 0
        strategies = owner.execute(
            "select distinct strategy from serve_recommendations where user_id = '1'"
        ).fetchall()
        assert strategies == [("popularity",)]
        with writer.cursor() as cursor:
            cursor.executemany("insert into ranking_weights values (%s, %s, %s)", weights)
        writer.execute("call millstream.flush()")
        assert demo.run("rerank").returncode == 0
        assert owner.execute(lists).fetchone() == before


def test_ctrl_c_stops_the_replay_and_nothing_else(demo: Demo, played: Played) -> None:
    assert played.returncode == 0
    process = demo.start("demo", "--history-until", f"{UNTIL:%Y-%m-%d}")
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if "acted, now first" in line:
            process.send_signal(signal.SIGINT)
            break
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(printed) + rest + err
    assert "stopped; the server goes on" in rest
    assert "Traceback" not in err
    there = count(demo, "select count(*) from events")
    status = json.loads(demo.run("status", "--json").stdout)
    assert (status["server"]["running"], status["worker"]["running"]) == (True, True)
    assert count(demo, "select count(*) from events") == there


def test_a_home_on_the_wall_clock_is_refused_with_a_remedy(demo: Demo, tmp_path: Path) -> None:
    other = Demo(tmp_path / "home", {**demo.environment, "MILLSTREAM_HOME": str(tmp_path / "home")})
    assert other.run("up", "--clock", "wall").returncode == 0
    try:
        refused = other.play()
        assert refused.returncode == 1
        assert "runs on the wall clock" in refused.stderr
        assert "MILLSTREAM_HOME=.millstream-demo make demo" in refused.stderr
    finally:
        assert other.run("down").returncode == 0
