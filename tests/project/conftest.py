"""Fixtures: the compiled project, and a shop on a fresh copy of a database with all models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Databases
from tests.project.compiled import Project, compile_project
from tests.project.shop import Shop, deploy


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project("risingwave", tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def deployed(databases: Databases, project: Project) -> str:
    """Name of a database in which the models are deployed and empty."""
    name = databases.create()
    deploy(databases.dsn(name), project)
    return name


@pytest.fixture
def shop(databases: Databases, deployed: str, project: Project) -> Iterator[Shop]:
    name = databases.create(template=deployed)
    made = Shop(databases.dsn(name), project)
    yield made
    made.close()
    databases.drop(name)
