"""Fixtures for every test folder: a PostgreSQL server for the session, and a fresh database in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import millstream.server
from tests.databases import Databases

# Tests press Ctrl-C in programs that they start. A shell that runs tests in the background has it ignored, for all below.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = ("cli", "demo", "project", "serving")
"""Folders whose tests share something that takes long to make: one process runs all of them."""


class Scheduler(LoadScopeScheduling):
    """Gives what belongs together to one process: a folder of `TOGETHER`, else a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        folder = file.removeprefix("tests/").split("/")[0]
        return folder if folder in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler:
    return Scheduler(config, log)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Databases of a server of the session: an embedded one, or that of `MILLSTREAM_TEST_DSN` (a superuser's)."""
    given = os.environ.get("MILLSTREAM_TEST_DSN")
    if given:
        with Databases(given) as made:
            yield made
        return
    with (
        millstream.server.open(tmp_path_factory.mktemp("server")) as server,
        Databases(server.dsn("owner")) as made,
    ):
        forget_crashes(server.dsn("owner"))
        yield made


def forget_crashes(dsn: str) -> None:
    """Let a server of tests wait for no disk: it outlives no crash of the machine. Whether one does, tests/server asks."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(setting)))
        connection.execute("select pg_reload_conf()")


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """Connection string of an empty database, dropped after the test."""
    name = databases.create()
    yield databases.dsn(name)
    databases.drop(name)
