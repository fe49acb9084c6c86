"""Fixtures: small dbt projects with this project's macros, and runs of them on a recorded RisingWave."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from millstream.engine import deploy
from millstream.engine.tick.worker import Worker
from tests.conformance.recorder import RisingWave
from tests.conformance.runs import ROOT, Project
from tests.conformance.shipped import Shipped
from tests.databases import Databases

PROJECT = """
name: millstream
version: "1.0.0"
config-version: 2
profile: millstream
model-paths: ["models"]
function-paths: ["udfs"]
flags: {send_anonymous_usage_stats: false}
"""

MODELS: Mapping[str, str] = {
    "clicks.sql": """{{ config(materialized='table_with_connector') }}
-- What people clicked.
create table {{ this }} (
    click_id varchar primary key,
    item_id varchar,
    price numeric(10, 2)
) on conflict do nothing
""",
    "counts.sql": """{{ config(materialized='materialized_view', indexes=[{'columns': ['item_id']}]) }}
select item_id, count(*) as clicks from {{ ref('clicks') }} group by item_id
""",
    "popular.sql": """{{ config(materialized='materialized_view') }}
select item_id from {{ ref('counts') }} where clicks > 10
""",
    "serve_popular.sql": """{{ config(materialized='view') }}
select item_id from {{ ref('popular') }}
""",
    "idle.sql": """{{ config(materialized='materialized_view') }}
select click_id from {{ ref('clicks') }} where price > 1
""",
    "popular_to_kafka.sql": """{{ config(materialized='sink') }}
create sink {{ this }} from {{ ref('popular') }} with (
    connector = 'kafka', properties.bootstrap.server = 'kafka:9092', topic = 'popular', primary_key = 'item_id'
) format upsert encode json
""",
}


EVERYTHING_ON = {
    "MILLSTREAM_KAFKA": "kafka:19092",
    "MILLSTREAM_SINK_POSTGRES_HOST": "shop",
    "MILLSTREAM_SINK_POSTGRES_PASSWORD": "it's secret",
    "MILLSTREAM_SINK_REDIS": "redis://cache:6379/",
    "MILLSTREAM_UDF_LINK": "http://udf-server:8815",
}


@pytest.fixture(scope="session")
def whole_project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """A copy of the whole project, deployed on a recorder, and the statements that were sent."""
    root = tmp_path_factory.mktemp("whole") / "project"
    root.mkdir()
    for name in ("dbt_project.yml", "profiles.yml", ".dbtignore"):
        shutil.copy(ROOT / name, root)
    for name in ("sql", "macros", "udfs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    made = Project(root, RisingWave())
    return made, made.run(**EVERYTHING_ON)


@pytest.fixture(scope="session")
def shipped_server(whole_project: tuple[Project, list[str]]) -> RisingWave:
    """The recorder as the first run left it."""
    return copy.deepcopy(whole_project[0].server)


@pytest.fixture(scope="session")
def shipped(whole_project: tuple[Project, list[str]]) -> Shipped:
    return Shipped.of(whole_project[1])


@pytest.fixture(scope="session")
def shipped_database(databases: Databases, shipped: Shipped) -> str:
    """Name of a database of an embedded engine on the event clock with the whole project in it, to be copied."""
    name = databases.create()
    Worker(databases.dsn(name), clock="event").close()
    with deploy.connect(databases.dsn(name)) as conn:
        shipped.deploy(conn)
    return name


@pytest.fixture(scope="module")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project of this project's macros, deployed once."""
    root = tmp_path_factory.mktemp("small")
    (root / "dbt_project.yml").write_text(PROJECT)
    shutil.copy(ROOT / "profiles.yml", root)
    (root / "models").mkdir()
    for name, text in MODELS.items():
        (root / "models" / name).write_text(text)
    made = Project(root, RisingWave())
    made.run()
    return made


@pytest.fixture
def small(small_template: Project, tmp_path: Path) -> Project:
    """A copy of the small project, deployed once on a RisingWave of its own."""
    root = shutil.copytree(small_template.root, tmp_path / "small")
    return Project(root, copy.deepcopy(small_template.server))
