"""The vars by which a project tells the engine what it calls things."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from dbt.tests.util import run_dbt, write_file

from millstream.engine.catalog.project_settings import ProjectSettings, read_project_settings

EVENTS = """
create table {{ this }} (event_id varchar primary key, happened_at timestamptz, arrived_at timestamptz)
"""
VARS = {"event_time_column": "happened_at", "arrival_column": "arrived_at", "reader_prefix": "api_"}
BARRIER = "select reloptions from pg_class where oid = to_regclass(%s)"


class TestProjectSettings:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "events.sql": "{{ config(materialized='table_with_connector') }}" + EVENTS,
            "api_latest.sql": "{{ config(materialized='view') }} select event_id from {{ ref('events') }}",
        }

    @pytest.fixture(scope="class")
    def project_config_update(self) -> dict[str, Any]:
        return {"vars": {**VARS, "test": {"future_minutes": 10}}}

    def test_a_run_brings_them_to_the_engine_and_a_run_without_them_the_defaults(
        self, project: Any, dsn: str
    ) -> None:
        run_dbt(["run"])
        with psycopg.connect(dsn, autocommit=True) as conn:
            assert read_project_settings(conn) == ProjectSettings(**VARS, future_minutes=10)
            view = f"{project.test_schema}.api_latest"
            assert conn.execute(BARRIER, [view]).fetchone() == (["security_barrier=true"],)
            run_dbt(["run", "--vars", "reader_prefix: serve_"])
            assert read_project_settings(conn).reader_prefix == "serve_"
            assert conn.execute(BARRIER, [view]).fetchone() == (None,)
            results = run_dbt(["run", "--vars", "{reader_prefix: ''}"], expect_pass=False)
            assert "error[MS039] dbt_project.yml reader_prefix: ''" in results[0].message
            write_file("name: test\nprofile: test\n", project.project_root, "dbt_project.yml")
            run_dbt(["run"])
            assert read_project_settings(conn) == ProjectSettings()
