"""Fixtures: small dbt projects with this project's macros, and runs of them on a recorded RisingWave."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance.recorder import RisingWave
from tests.conformance.runs import ROOT, Project

PROJECT = """
name: millstream
version: "1.0.0"
config-version: 2
profile: millstream
model-paths: ["models"]
macro-paths: ["macros"]
function-paths: ["udfs/ddl"]
flags: {send_anonymous_usage_stats: false}
on-run-start: "{{ rw_create_registry() }}"
on-run-end: "{{ rw_drop_replaced() }}"
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


@pytest.fixture(scope="module")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project of this project's macros, deployed once."""
    root = tmp_path_factory.mktemp("small")
    (root / "dbt_project.yml").write_text(PROJECT)
    shutil.copy(ROOT / "profiles.yml", root)
    shutil.copytree(ROOT / "macros/risingwave", root / "macros", ignore=shutil.ignore_patterns("*.yml"))
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
