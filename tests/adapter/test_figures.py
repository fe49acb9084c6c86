"""What a run tells of each model, and of itself."""

from __future__ import annotations

from typing import Any

import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture

MODELS = {
    "visits.sql": "{{ config(materialized='table_with_connector') }} create table {{ this }} (visit_id varchar primary key)",
    "kept.sql": "{{ config(materialized='materialized_view') }} select visit_id from {{ ref('visits') }} "
    "where visit_id <> '{{ var('nobody', '') }}'",
    "read.sql": "{{ config(materialized='view') }} select visit_id from {{ ref('kept') }}",
}


class TestFigures:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return MODELS

    def test_a_run_ends_with_its_totals_and_each_model_has_its_own(self, project: Any) -> None:
        _, output = run_dbt_and_capture(["run"])
        assert ": 3 created, in " in output
        project.run_sql("insert into {schema}.visits values ('a'), ('b')")
        results, output = run_dbt_and_capture(["run", "--vars", "nobody: c"])
        assert ": 1 replaced, 2 unchanged, in " in output
        said = {result.node.name: result.adapter_response for result in results}
        assert (said["kept"]["action"], said["kept"]["rows"]) == ("replaced", 2)
        assert said["kept"]["seconds"] > 0
        assert "rows" not in said["read"]
        project.run_sql(
            "insert into millstream.node_stats (node, ticks, rows, milliseconds) select unnest(tables), 2, 4, 6 "
            "from millstream.state where schema_name = '{schema}' and relation_name = 'kept' on conflict do nothing"
        )
        (kept,) = run_dbt(["run", "--vars", "nobody: c", "--select", "kept"])
        assert kept.adapter_response["ms_per_tick"] > 0
