"""Fixtures for every test folder: a PostgreSQL server for the session, and a fresh database in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import millstream.server
from tests.databases import Databases


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
        yield made


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """Connection string of an empty database, dropped after the test."""
    name = databases.create()
    yield databases.dsn(name)
    databases.drop(name)
