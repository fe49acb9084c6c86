"""A running engine for the adapter's tests: one server and one worker for all of them, a schema for each class."""

from __future__ import annotations

import gc
import secrets
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.fixtures.project import (
    adapter,
    analyses,
    clean_up_logging,
    dbt_profile_data,
    dbt_project_yml,
    dependencies,
    dependencies_yml,
    environment,
    functions,
    initialization,
    macros,
    models,
    packages,
    packages_yml,
    prefix,
    profile_user,
    profiles_config_update,
    profiles_root,
    profiles_yml,
    project_config_update,
    project_files,
    project_root,
    project_setup,
    properties,
    seeds,
    selectors,
    selectors_yml,
    shared_data_dir,
    snapshots,
    test_config,
    tests,
)

import millstream.server
from millstream.engine import deploy
from millstream.engine.tick.worker import Worker

# dbt's fixtures are imported by name: a conftest.py below the root may not load them as a plugin.
__all__ = [
    "adapter",
    "analyses",
    "clean_up_logging",
    "dbt_profile_data",
    "dbt_project_yml",
    "dependencies",
    "dependencies_yml",
    "environment",
    "functions",
    "initialization",
    "macros",
    "models",
    "packages",
    "packages_yml",
    "prefix",
    "profile_user",
    "profiles_config_update",
    "profiles_root",
    "profiles_yml",
    "project_config_update",
    "project_files",
    "project_root",
    "project_setup",
    "properties",
    "seeds",
    "selectors",
    "selectors_yml",
    "shared_data_dir",
    "snapshots",
    "test_config",
    "tests",
]

WORKER = "adapter tests' worker"
HERE = Path(__file__).parent

# Warnings about dbt's own code, which is not ours to change.
DBT_WARNINGS = (
    "ignore:.*fixtures defined as instance methods:pytest.PytestRemovedIn10Warning",
    "ignore:unclosed file <_io.TextIOWrapper name='.*dbt.log':ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            for line in DBT_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(line))


def work(dsn: str, stop: threading.Event) -> None:
    """Run a worker, and start it again when a deployment has made its transaction fail, as the supervisor does."""
    while not stop.is_set():
        try:
            with Worker(dsn) as worker:
                worker.run(stop)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.UndefinedTable) as error:
            print(f"the worker is started again after: {error}")


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home directory of a server that runs, with the engine's catalogue and a worker in a thread."""
    home = tmp_path_factory.mktemp("millstream")
    with millstream.server.open(home) as server:
        dsn = server.dsn("owner")
        deploy.connect(dsn).close()
        stop = threading.Event()
        worker = threading.Thread(target=work, args=(dsn, stop), name=WORKER)
        worker.start()
        try:
            yield home
        finally:
            stop.set()
            worker.join(timeout=30)


@pytest.fixture(autouse=True)
def live_worker(request: pytest.FixtureRequest) -> None:
    """Fail at once, instead of after a time-out, where the worker of the session has ended."""
    if "engine_home" in request.fixturenames:
        assert WORKER in {thread.name for thread in threading.enumerate()}, "the worker has ended"


@pytest.fixture(scope="session")
def engine_server(engine_home: Path) -> millstream.server.Server:
    """The server of the session."""
    return millstream.server.connect(engine_home)


@pytest.fixture(scope="session")
def dsn(engine_server: millstream.server.Server) -> str:
    """The owner's connection string."""
    return engine_server.dsn("owner")


@pytest.fixture(scope="class")
def dbt_profile_target(engine_home: Path) -> dict[str, Any]:
    return {"type": "millstream", "home": str(engine_home), "user": "millstream", "threads": 4}


@pytest.fixture(scope="class")
def unique_schema() -> str:
    """A schema of the test class's own; a short name leaves room for the suite's long model names."""
    return f"s{secrets.token_hex(3)}"


@pytest.fixture(scope="class")
def project(project_setup: Any, project_files: None) -> Any:
    """dbt's project fixture; what the suite writes with run_sql is visible when the call returns."""
    write = project_setup.run_sql

    def run_sql(sql: str, fetch: str | None = None) -> Any:
        result = write(sql, fetch=fetch)
        if fetch is None:
            write("call millstream.flush()")
        return result

    project_setup.run_sql = run_sql
    return project_setup


@pytest.fixture(scope="class")
def test_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt's suite makes a directory for large files."""
    return tmp_path_factory.mktemp("suite") / "data"


@pytest.fixture(scope="class")
def logs_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """dbt's logs in a temporary directory instead of the checkout."""
    patch = pytest.MonkeyPatch()
    directory = str(tmp_path_factory.mktemp("logs"))
    patch.setenv("DBT_LOG_PATH", directory)
    yield directory
    patch.undo()
    # dbt leaves its log files to the garbage collector; they are collected here, not during somebody else's test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
