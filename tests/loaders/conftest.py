"""Fixtures of the loaders' tests: the engine with the project's source relations, and a stand-in whose server can fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from jinja2 import Environment
from psycopg.conninfo import make_conninfo

from millstream.engine import deploy
from millstream.engine.tick.worker import Worker
from tests.databases import Databases

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "sql" / "sources"
MACROS = ("id_or_null", "hash_bucket", "keyed_hash")
MODELS = ("stg_known_ids", "stg_identities_hashed", "stg_erased_hashed", "stg_erased_ids", "load_erased_ids")
STAND_IN = Path(__file__).with_name("stand_in.sql")
WRITER = "millstream_writer"
MAKE_WRITER = f"""
do $$
begin
    create role {WRITER} login;
exception when duplicate_object or unique_violation then null;
end
$$"""


@pytest.fixture(scope="session")
def with_sources(databases: Databases) -> str:
    """Name of a database in which the project's source relations are deployed, to be copied."""
    name = databases.create()
    dsn = databases.dsn(name)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(MAKE_WRITER)
    with deploy.connect(dsn) as owner:
        for file in sorted(SOURCES.glob("*.sql")):
            definition = file.read_text().replace("{{ this }}", f"public.{file.stem}")
            if "create table" in definition:
                deploy.deploy_table(owner, file.stem, definition)
        for model in MODELS:
            deploy.deploy_view(owner, model, rendered(model), materialized=model.startswith("stg_"))
    return name


def rendered(model: str) -> str:
    """The SQL of one of the project's models of who is erased, which loaders go by."""
    given = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    texts = [ROOT / f"macros/{name}.sql" for name in MACROS] + [ROOT / f"sql/staging/{model}.sql"]
    template = Environment(autoescape=False).from_string("".join(path.read_text() for path in texts))  # noqa: S701 (SQL, not HTML)
    return template.render(config=lambda **_: "", ref=str, var=given.__getitem__)


@pytest.fixture
def owner(databases: Databases, with_sources: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a fresh engine with source relations, whose worker runs."""
    name = databases.create(template=with_sources)
    worker = Worker(databases.dsn(name), clock="wall")
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        with psycopg.connect(databases.dsn(name), autocommit=True) as connection:
            yield connection
    finally:
        stop.set()
        thread.join()
        worker.close()
        databases.drop(name)


@pytest.fixture
def dsn(owner: psycopg.Connection) -> str:
    """The connection string of a client of the engine that has the writer's privileges and no more."""
    return as_writer(owner)


@pytest.fixture
def plain_owner(databases: Databases) -> Iterator[psycopg.Connection]:
    """The owner's connection to a plain PostgreSQL stand-in for the source relations, which tests can make fail."""
    name = databases.create()
    with psycopg.connect(databases.dsn(name), autocommit=True) as connection:
        connection.execute(MAKE_WRITER)
        connection.execute(STAND_IN.read_text())
        yield connection
    databases.drop(name)


@pytest.fixture
def plain_dsn(plain_owner: psycopg.Connection) -> str:
    """The connection string of a client of the stand-in that has the writer's privileges and no more."""
    return as_writer(plain_owner)


def as_writer(owner: psycopg.Connection) -> str:
    """Give the owner's connection string with the writer's privileges."""
    return make_conninfo(owner.info.dsn, password=owner.info.password or None, options=f"-c role={WRITER}")
