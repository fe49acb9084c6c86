"""Fixtures: a home that is up, with a source, two views and an application's rows, and its programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.engine import deploy
from tests.cli.conftest import program_on
from tests.cli.program import Program

PURCHASES = """
create table purchases (
    id varchar primary key, person varchar, item varchar, quantity integer, bought_at timestamptz
) on conflict do nothing
"""
VIEWS = {
    "bought": "select item, count(*) as times, sum(quantity) as units from purchases group by item",
    "people": "select person, count(distinct item) as items, max(bought_at) as last_at from purchases group by person",
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings must not reach into a test."""
    for name in [name for name in os.environ if name.startswith("MILLSTREAM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Program]:
    """The program on a home that is up, with 500 purchases in its views."""
    for program in program_on(tmp_path / "home"):
        answer = program("up")
        assert answer.returncode == 0, answer.stderr
        with deploy.connect(dsn(program.home)) as owner:
            deploy.deploy_table(owner, "purchases", PURCHASES)
            for name, query in VIEWS.items():
                deploy.deploy_view(owner, name, query)
        with connect(program.home, "writer") as writer:
            writer.execute(
                "insert into purchases select 'p' || n, 'u' || n % 9, 'i' || n % 40, n % 3, now()"
                " from generate_series(1, 500) as n"
            )
            writer.execute("call millstream.flush()")
        yield program


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Program]:
    """The program on the home into which a test restores; it is stopped at the end."""
    yield from program_on(tmp_path / "restored")


def dsn(home: Path, role: str = "owner") -> str:
    return millstream.server.connect(home).dsn(role)


def connect(home: Path, role: str = "owner") -> psycopg.Connection:
    return psycopg.connect(dsn(home, role), autocommit=True)


def content(connection: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    return sorted(connection.execute(query.encode()).fetchall(), key=str)


def assert_views_are_right(connection: psycopg.Connection) -> None:
    """Every view is what PostgreSQL computes from the source."""
    for name, query in VIEWS.items():
        assert content(connection, f"select * from {name}") == content(connection, query), name
