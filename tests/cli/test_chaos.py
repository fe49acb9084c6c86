"""The chaos of `bench.chaos`, short and on three views: nothing acknowledged is lost or doubled, and every view is right."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import millstream.server
from bench.chaos import Faults, let_loose
from bench.recomputed import differences
from millstream.compiler.postgres.names import table
from millstream.engine import deploy
from tests.cli.conftest import program_on
from tests.cli.program import Program
from tests.disks import small_disk

SECONDS = 15.0
EVENTS = """
create table events (
    event_id varchar primary key, event_type varchar, user_id varchar, item_id varchar, session_id varchar,
    occurred_at timestamptz
) on conflict do nothing
"""
VIEWS = {
    "per_item": "select item_id, count(*) as events, max(occurred_at) as latest from events group by item_id",
    "pairs": "select a.item_id as one, b.item_id as other, count(*) as sessions from events as a"
    " join events as b on a.session_id = b.session_id and a.item_id < b.item_id group by a.item_id, b.item_id",
    "recent": "select user_id, count(*) as events from events where occurred_at > now() - interval '1 hour'"
    " group by user_id",
}


@pytest.fixture
def program(tmp_path: Path, template: Path) -> Iterator[Program]:
    """The program on a home that is up, on a small disk, with a source and three views."""
    with small_disk(tmp_path / "disk", 700) as disk:
        for program in program_on(shutil.copytree(template, disk / "home")):
            answer = program("up", "--clock", "event")
            assert answer.returncode == 0, answer.stderr
            with deploy.connect(millstream.server.connect(program.home).dsn()) as connection:
                deploy.deploy_table(connection, "events", EVENTS)
                connection.execute(b"grant select, insert, update, delete on events to millstream_writer")
                for name, text in VIEWS.items():
                    deploy.deploy_view(connection, name, text)
                connection.commit()
                connection.autocommit = True
                connection.execute(
                    "insert into events (event_id, item_id, occurred_at) values ('0', 'b', '2017-01-03')"
                )
                connection.execute("call millstream.flush('60 s')")
            yield program


def test_nothing_is_lost_doubled_or_wrong_after_kills_a_full_disk_and_jumps_of_the_clock(
    program: Program,
) -> None:
    faults = Faults(program.home, program.home.parent, 1, project=False)
    for kind in ("clock", "full", "worker"):
        faults.strike(kind)
    found = let_loose(program.home, faults, SECONDS, (0.5, 1.5))
    assert found["acknowledged"] > 200
    assert (found["lost"], found["changed back"], found["invented"]) == (0, 0, 0)
    assert found["views compared"] == 3
    assert found["views that differ"] == {}
    assert all(faults.struck[kind] for kind in ("worker", "full", "clock"))


def test_a_view_that_is_wrong_would_be_seen(program: Program) -> None:
    owner = millstream.server.connect(program.home).dsn()
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            "insert into events (event_id, item_id, occurred_at) values ('1', 'a', '2026-01-01')"
        )
        connection.execute("call millstream.flush('60 s')")
        query = (
            "select s.tables[cardinality(s.tables)] from millstream.relation as r"
            " join millstream.state as s on s.name = r.state where r.name = 'per_item'"
        )
        row = connection.execute(query).fetchone()
        assert row is not None
        connection.execute(f"update {table(row[0])} set events = events + 1".encode())
    assert differences(owner)["per_item"] == 4  # two items, each as it was kept and as it should be
