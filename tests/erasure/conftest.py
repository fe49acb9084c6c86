"""Fixtures: the shipped project on a home of its own, with a worker that runs as it does in production."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import psycopg
import pytest

import millstream.server
from tests.cli.program import Program
from tests.erasure.shop import Shop
from tests.serving.project import deploy_project


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A small shop; every test brings its own person."""
    home = tmp_path_factory.mktemp("erasure") / "home"
    run = [sys.executable, "-c", "from millstream.cli import main; main()", "--home", str(home)]
    program = Program(run, home)
    answer = program("up")
    assert answer.returncode == 0, answer.stderr
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MILLSTREAM_HOME", str(home))
            deploy_project(home.parent / "dbt")
        server = millstream.server.connect(home)
        owner = psycopg.connect(server.dsn("owner"), autocommit=True)
        writer = psycopg.connect(server.dsn("writer"), autocommit=True)
        with owner, writer:
            made = Shop(home, program, owner, writer)
            made.stock()
            yield made
    finally:
        program("down")
