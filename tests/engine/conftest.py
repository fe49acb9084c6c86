"""Fixtures: an engine on a fresh database, driven through its public interface."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from millstream.runtime import deploy
from tests.engine.engine import Engine


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine whose event clock tests set by `tick(now)`."""
    with Engine(database) as made:
        yield made


@pytest.fixture
def installed(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database with an empty catalogue."""
    with deploy.connect(database) as connection:
        yield connection
