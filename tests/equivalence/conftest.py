"""Hypothesis profiles, and the databases that examples run in."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import Databases

# No deadline: an example deploys views and runs a server. No example database: a failure prints its reproduction.
# "ci" takes the same examples every time, so that a change is judged by itself; `make prove` and "long" look for new ones.
settings.register_profile(
    "ci",
    deadline=None,
    database=None,
    print_blob=True,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("MILLSTREAM_HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def oracle_dsn(databases: Databases) -> Iterator[str]:
    """A database for the PostgreSQL oracle, which leaves nothing behind in it."""
    name = databases.create()
    yield databases.dsn(name)
    databases.drop(name)
