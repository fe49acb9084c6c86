"""Models are held to what both engines keep, unless one says that it is for the embedded engine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dbt.tests.util import run_dbt

EVENTS = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (event_id varchar primary key, quantity integer)
"""
RUNNING = """
{{ config(materialized='materialized_view'OPTION) }}

select
    event_id,
    sum(quantity) over (order by event_id) as running
from {{ ref('events') }}
"""
READ = """
{{ config(materialized='view', meta={'read_by': 'COLUMN'}) }}

select
    event_id,
    quantity
from {{ ref('events') }}
"""


class TestPortability:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "events.sql": EVENTS,
            "running.sql": RUNNING.replace("OPTION", ""),
            "running_here.sql": RUNNING.replace("OPTION", ", portable=false"),
            "shown.sql": RUNNING.replace("materialized_view'OPTION", "view'"),
            "by_event.sql": READ.replace("'COLUMN'", "['event_id']"),
            "by_quantity.sql": READ.replace("'COLUMN'", "['quantity']"),
        }

    def test_a_model_that_risingwave_would_refuse_is_refused_at_its_place(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "events", "running"], expect_pass=False)
        failed = next(result for result in results if result.node.name == "running")
        text = Path(str(project.project_root), "models", "running.sql").read_text().splitlines()
        line = next(number for number, found in enumerate(text, 1) if "sum(" in found)
        assert f"error[MS060] models/running.sql:{line}:{text[line - 1].index('sum(') + 1} " in failed.message
        assert "PARTITION BY 1::int" in failed.message

    def test_a_model_for_the_embedded_engine_alone_says_so(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "events", "running_here"])
        assert "incremental" in str(results[-1].message)

    def test_a_plain_view_is_read_by_batch_queries(self, project: Any) -> None:
        run_dbt(["run", "--select", "events", "shown"])

    def test_a_view_that_would_scan_where_it_is_read_by_a_column_is_refused(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "events", "by_event", "by_quantity"], expect_pass=False)
        status = {result.node.name: str(result.message) for result in results}
        assert status["by_event"].startswith("created")
        assert (
            "error[MS083] models/by_quantity.sql:7:6 a read that scans events for quantity"
            in status["by_quantity"]
        )
        assert "give events an index on quantity" in status["by_quantity"]
