"""Fixtures: an engine on a fresh database, driven through its public interface."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.tick.worker import Worker
from tests.databases import Databases
from tests.engine.engine import Engine


@pytest.fixture(scope="session")
def on_event_clock(databases: Databases) -> str:
    """Name of a database with the engine's catalogue and the event clock, to be copied."""
    name = databases.create()
    Worker(databases.dsn(name), clock="event").close()
    return name


@pytest.fixture
def engine(databases: Databases, on_event_clock: str) -> Iterator[Engine]:
    """An engine whose event clock tests may set by `tick(now)`."""
    name = databases.create(template=on_event_clock)
    with Engine(databases.dsn(name)) as made:
        yield made
    databases.drop(name)


@pytest.fixture
def installed(databases: Databases, on_event_clock: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database in which nothing is deployed."""
    name = databases.create(template=on_event_clock)
    with deploy.connect(databases.dsn(name)) as connection:
        yield connection
    databases.drop(name)
