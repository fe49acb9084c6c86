"""Fixtures: the compiled project, and a shop on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.project.compiled import Project, compile_project
from tests.project.shop import Shop


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project("risingwave", tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def shop(database: str, project: Project) -> Iterator[Shop]:
    made = Shop(database, project)
    yield made
    made.close()
