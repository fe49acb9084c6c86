"""A project with names of its own: the clock, the roles' views, and a change of them while everything runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

import millstream.server
from millstream.engine import deploy
from millstream.engine.catalog.project_settings import ProjectSettings, read_project_settings
from millstream.engine.tick.worker import Worker
from millstream.errors import Refused
from tests.compiler.golden import Case, each_case
from tests.engine.engine import Engine

OURS = ProjectSettings("happened_at", "arrived_at", 10, "api_", "input_")
T = "create table t (k integer primary key, happened_at timestamptz, arrived_at timestamptz default now())"
VIEWS = (
    "create materialized view api_all as select k, happened_at from t",
    "create view api_plain as select k from api_all",
    "create materialized view serve_all as select k from t",
    "create view input_keys as select k from api_all",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[millstream.server.Server]:
    with millstream.server.open(tmp_path_factory.mktemp("settings")) as opened:
        yield opened


@pytest.fixture
def shop(server: millstream.server.Server) -> Iterator[Engine]:
    """An engine in the server's own database, where the roles are; empty again afterwards."""
    with Engine(server.dsn("owner")) as engine:
        deploy.deploy_settings(engine.owner, OURS)
        engine.deploy_all(T, *VIEWS)
        yield engine
        engine.release()
        engine.drop("t", cascade=True)
        deploy.deploy_settings(engine.owner, ProjectSettings())


def readable(server: millstream.server.Server, role: str) -> set[str]:
    """The views of the project that a role may read."""
    with psycopg.connect(server.dsn(role)) as conn:
        rows = conn.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'"
            " and has_table_privilege(oid, 'select')"
        ).fetchall()
    return {name for (name,) in rows}


def barred(shop: Engine) -> set[str]:
    """The views of the project with a security barrier."""
    found = shop.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and reloptions && array['security_barrier=true']"
    )
    return {name for (name,) in found}


@each_case(Path(__file__).parent / "project_settings.golden")
def test_what_cannot_be_a_setting(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        ProjectSettings.of(yaml.safe_load(case.given), "dbt_project.yml")
    case.check(str(caught.value))


def test_the_defaults_are_those_of_a_project_that_says_nothing(engine: Engine) -> None:
    assert read_project_settings(engine.owner) == ProjectSettings()
    assert not deploy.deploy_settings(engine.owner, ProjectSettings.of({"interest_cap": 10}))


def test_each_role_reads_the_views_of_its_prefix(server: millstream.server.Server, shop: Engine) -> None:
    assert readable(server, "reader") == {"api_all", "api_plain"}
    assert readable(server, "writer") == {"input_keys"}
    assert barred(shop) == {"api_all", "api_plain", "input_keys"}


def test_rights_follow_a_change_while_a_reader_reads(server: millstream.server.Server, shop: Engine) -> None:
    shop.write("insert into t values (1, now())")
    with psycopg.connect(server.dsn("reader"), autocommit=True) as reader:
        assert reader.execute("select k from api_plain").fetchall() == [(1,)]
        assert deploy.deploy_settings(
            shop.owner, ProjectSettings(reader_prefix="serve_", writer_prefix="api_p")
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select k from api_plain")
        assert reader.execute("select k from serve_all").fetchall() == [(1,)]
    assert readable(server, "reader") == {"serve_all"}
    assert readable(server, "writer") == {"api_plain"}
    assert barred(shop) == {"serve_all", "api_plain"}


def test_a_name_that_nothing_bears_is_told(shop: Engine) -> None:
    given = ProjectSettings(event_time_column="happend_at", arrival_column="arrived_at", reader_prefix="apo_")
    assert deploy.names_of_nothing(shop.owner, given) == [
        "no view that is deployed begins with apo_ (var reader_prefix): until one does, readers may read none",
        "no source has a column happend_at (var event_time_column): the event clock cannot go by it",
    ]


def test_the_event_clock_goes_by_the_named_columns(engine: Engine) -> None:
    deploy.deploy_settings(engine.owner, OURS)
    engine.deploy(
        "create table t (k integer primary key, happened_at timestamptz, arrived_at timestamptz, noted_at timestamptz)"
    )
    with Worker(engine.dsn, "event") as worker:
        engine.execute("insert into t values (1, '2030-01-01 00:09', '2030-01-01', '2031-01-01')")
        assert str(worker.tick().now) == "2030-01-01 00:09:00+00:00"
        engine.execute("insert into t values (2, '2030-01-01 00:11', '2030-01-01', '2031-01-01')")
        assert str(worker.tick().now) == "2030-01-01 00:09:00+00:00"
        deploy.deploy_settings(
            engine.owner, ProjectSettings(event_time_column="noted_at", arrival_column="none")
        )
        engine.execute("insert into t values (3, null, null, '2030-06-01')")
        assert str(worker.tick().now) == "2030-06-01 00:00:00+00:00"
