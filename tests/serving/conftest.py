"""Fixtures: a server of pytest-postgresql, the project deployed on it with dbt, and a stocked shop for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql import factories
from pytest_postgresql.executors import PostgreSQLExecutor

import millstream.server
from tests.databases import Databases
from tests.engine.running import running
from tests.serving.postgres import pg_ctl
from tests.serving.project import deploy_project
from tests.serving.shop import Shop, stock

# Loopback TCP only, C locale, and nothing that slows a test down.
shop_server = factories.postgresql_proc(
    executable=pg_ctl(),
    host="127.0.0.1",
    port=None,
    user="millstream",
    password="secret",
    postgres_options="-c fsync=off -c jit=off -c timezone=UTC -c max_connections=60",
)


@pytest.fixture(scope="session")
def shop_databases(shop_server: PostgreSQLExecutor) -> Iterator[Databases]:
    admin = make_conninfo(
        host=shop_server.host,
        port=shop_server.port,
        user=shop_server.user,
        password=shop_server.password,
        dbname="postgres",
    )
    with Databases(admin) as made:
        yield made


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home directory: passwords of the roles, and embeddings for the blend."""
    path = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("MILLSTREAM_HOME", str(path))
    yield path
    patch.undo()


@pytest.fixture(scope="session")
def deployed(shop_databases: Databases, home: Path) -> tuple[str, dict[str, str]]:
    """Name of a database with the whole project and a stocked shop in it, and the connection string of each role.

    No worker has been there before: dbt sets the engine up.
    """
    name = shop_databases.create()
    patch = pytest.MonkeyPatch()
    patch.setenv("MILLSTREAM_DSN", shop_databases.dsn(name))
    try:
        server = millstream.server.open(home)
        dsns = {role: server.dsn(role) for role in ("owner", "writer", "reader")}
        deploy_project(home / "dbt")
    finally:
        patch.undo()
    shop = Shop(name, dsns)
    with running(shop.dsns["owner"]):
        stock(shop)
    shop.close()
    return name, dsns


@pytest.fixture
def resting(shop_databases: Databases, deployed: tuple[str, dict[str, str]]) -> Iterator[Shop]:
    """A shop in a database of its own whose worker is dead."""
    template, dsns = deployed
    name = shop_databases.create(template=template)
    shop = Shop(name, dsns)
    yield shop
    shop.close()
    shop_databases.drop(name)


@pytest.fixture
def shop(resting: Shop) -> Iterator[Shop]:
    """A shop with a running worker."""
    with running(resting.dsns["owner"]):
        yield resting
