"""`indexes` in a model's configuration: made on whatever has rows, or a warning with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture

INDEXES = """indexes=[{'columns': ['Item_ID']}, {'columns': ['"Shop"', 'item_id'], 'include': ['price']}]"""
COLUMNS = """item_id, "Shop", price"""
MODELS = {
    "offers.sql": "{{ config(materialized='table_with_connector', INDEXES) }}\n"
    'create table {{ this }} (item_id varchar primary key, "Shop" varchar, price integer)',
    "kept.sql": "{{ config(materialized='materialized_view', INDEXES) }} select COLUMNS from {{ ref('offers') }}",
    "copied.sql": "{{ config(materialized='table', INDEXES) }} select COLUMNS from {{ ref('offers') }}",
    "added.sql": "{{ config(materialized='incremental', INDEXES) }} select COLUMNS from {{ ref('offers') }}",
    "read.sql": "{{ config(materialized='view', INDEXES) }} select COLUMNS from {{ ref('offers') }}",
    "others.sql": "{{ config(materialized='table_with_connector') }}\n"
    'create table {{ this }} (item_id varchar primary key, "Shop" varchar, price integer)',
    "sent.sql": "{{ config(materialized='sink', INDEXES) }} create sink {{ this }} into {{ ref('others') }} from {{ ref('kept') }}",
    # A process-time join needs an index of its right side that its equality covers.
    "looked_up.sql": "{{ config(materialized='materialized_view') }} select o.item_id, k.price from {{ ref('offers') }} as o "
    'left join {{ ref(\'kept\') }} for system_time as of proctime() as k on k."Shop" = o."Shop" and k.item_id = o.item_id',
}
SEED = "indexes: [{columns: [Item_ID]}, {columns: ['\"Shop\"', item_id]}]"


class TestIndexes:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            name: text.replace("INDEXES", INDEXES).replace("COLUMNS", COLUMNS)
            for name, text in MODELS.items()
        }

    @pytest.fixture(scope="class")
    def seeds(self) -> dict[str, str]:
        return {
            "listed.csv": "item_id,Shop\na,b\n",
            "schema.yml": f"seeds:\n  - name: listed\n    config: {{quote_columns: true, {SEED}}}\n",
        }

    @pytest.fixture(scope="class")
    def snapshots(self) -> dict[str, str]:
        return {
            "seen.sql": "{% snapshot seen %}{{ config(unique_key='item_id', strategy='check', check_cols='all', "
            "indexes=[{'columns': ['item_id']}]) }} select item_id from {{ ref('offers') }}{% endsnapshot %}"
        }

    def definitions(self, project: Any, name: str) -> list[str]:
        found = project.run_sql(
            "select indexdef from pg_indexes where (schemaname = '{schema}' or schemaname = 'millstream_data')"
            f" and (tablename = '{name}' or tablename like '{{schema}}.{name}%' or tablename like '{name}\\_\\_%')",
            fetch="all",
        )
        return [row[0].split(" USING btree ")[1] for row in found if " USING btree " in row[0]]

    def test_what_has_rows_gets_them_and_the_others_a_warning_with_the_file(self, project: Any) -> None:
        _, output = run_dbt_and_capture(["build"])
        for name in ("offers", "copied", "added", "listed"):
            found = self.definitions(project, name)
            assert "(item_id)" in found
            assert '("Shop", item_id)' in found
        assert "(item_id)" in self.definitions(project, "seen")
        for path, why in (("read", "a view is computed when it is read"), ("sent", "a sink has no rows")):
            assert f"models/{path}.sql: the indexes of {path} are not made: {why}" in output
        assert "looked_up" in output

    def test_a_second_run_leaves_them_and_a_changed_configuration_drops_those_that_went(
        self, project: Any
    ) -> None:
        run_dbt(["run"])
        run_dbt(["run"])
        assert self.definitions(project, "copied").count("(item_id)") == 1
        path = Path(project.project_root, "models", "copied.sql")
        path.write_text(path.read_text().replace(INDEXES, "indexes=[{'columns': 'price'}]"))
        run_dbt(["run", "--select", "copied"])
        found = self.definitions(project, "copied")
        assert "(price)" in found
        assert '("Shop", item_id)' not in found

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ("['price']", "an index of added is written as 'price'"),
            ("[{'columns': ['Cost']}]", "index on added (Cost): it has no such column"),
        ],
    )
    def test_what_cannot_be_made_names_the_file(self, project: Any, written: str, said: str) -> None:
        path = Path(project.project_root, "models", "added.sql")
        text = path.read_text()
        path.write_text(text.replace(INDEXES, f"indexes={written}"))
        results = run_dbt(["run", "--select", "offers", "added"], expect_pass=False)
        path.write_text(text)
        assert f"models/added.sql: {said}" in results[-1].message
