"""What `dbt run` leaves alone, and every kind of change that it must see: a view is not compiled to be found unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.util import run_dbt

from millstream.engine.catalog import store
from millstream.engine.deploy.unchanged import mark

MODELS = {
    "sales.sql": """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (sale_id varchar primary key, buyer varchar, price integer{{ var('gained', '') }})
""",
    "dear.sql": "{{ config(materialized='view') }} select buyer, price from {{ ref('sales') }} where price > {{ var('dear', 5) }}",
    "inlined.sql": "{{ config(materialized='ephemeral') }} select buyer, {{ priced('price') }} as price from {{ ref('dear') }}",
    "bought.sql": """
{{ config(materialized='materialized_view', indexes=var('indexes', [])) }}
select buyer, sum({{ function('doubled') }}(price)) as spent
from {{ ref('inlined') }}
where buyer <> '{{ env_var("NOBODY", "nobody") }}'
group by buyer
""",
    "most.sql": "{{ config(materialized='materialized_view') }} select max(spent) as most from {{ ref('bought') }}",
}


class TestUnchanged:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return MODELS

    @pytest.fixture(scope="class")
    def macros(self) -> dict[str, str]:
        return {"priced.sql": "{% macro priced(column) %}coalesce({{ column }}, 0){% endmacro %}"}

    @pytest.fixture(scope="class")
    def functions(self) -> dict[str, str]:
        return {
            "doubled.sql": "select price * 2",
            "doubled.yml": "functions:\n  - name: doubled\n    arguments: [{name: price, data_type: integer}]\n"
            "    returns: {data_type: integer}\n",
        }

    def actions(self, *command: str) -> dict[str, str]:
        results = run_dbt(["build", *command])
        return {result.node.name: result.adapter_response.get("action", "") for result in results}

    @pytest.fixture
    def built(self, project: Any) -> None:
        self.actions()
        assert set(self.actions().values()) == {"unchanged"}

    def test_a_changed_variable_is_seen_in_a_view_that_is_expanded(self, built: None) -> None:
        found = self.actions("--vars", "dear: 7", "--select", "dear")
        assert found["dear"] == "replaced"
        found = self.actions()
        assert found["dear"] == "replaced"
        assert set(self.actions().values()) == {"unchanged"}

    def test_a_changed_macro_is_seen(self, project: Any, built: None) -> None:
        path = Path(project.project_root, "macros", "priced.sql")
        path.write_text(path.read_text().replace(", 0)", ", 1)"))
        found = self.actions()
        assert (found["bought"], found["sales"], found["dear"]) == ("replaced", "unchanged", "unchanged")

    def test_a_changed_function_is_seen(self, project: Any, built: None) -> None:
        path = Path(project.project_root, "functions", "doubled.sql")
        path.write_text("select price * 3")
        found = self.actions("--select", "resource_type:function")
        assert found == {"doubled": "replaced"}
        project.run_sql("insert into {schema}.sales values ('s1', 'ann', 10)")
        assert project.run_sql("select spent from {schema}.bought", fetch="one") == (30,)

    def test_a_changed_environment_is_seen(self, built: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOBODY", "bot")
        assert self.actions()["bought"] == "replaced"

    def test_changed_indexes_are_seen(self, built: None) -> None:
        assert self.actions("--vars", "indexes: [{columns: [buyer]}]")["bought"] == "replaced"

    def test_a_view_dropped_by_hand_is_built_again(self, project: Any, built: None) -> None:
        project.run_sql("drop view {schema}.most")
        assert self.actions()["most"] == "replaced"

    def test_a_view_that_another_compiler_built_is_looked_at(
        self, project: Any, built: None, dsn: str
    ) -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(
                "update millstream.state set detail = detail || '{\"mark\": \"older\"}' where relation_name = 'most'"
            )
            assert self.actions()["most"] == "unchanged"
            catalogue = store.load(conn)
            state = catalogue.current(project.test_schema, "most")
            assert state is not None
            assert state.mark == mark(catalogue, state.reads, state.definition, [], True)
            assert state.mark != mark(catalogue, state.reads, state.definition, [], False)
            assert state.mark != mark(catalogue, state.reads, state.definition, [["most"]], True)

    def test_a_column_that_a_source_gains_leaves_its_readers_as_they_are(self, built: None) -> None:
        found = self.actions("--vars", "gained: ', note varchar'")
        assert (found["sales"], found["bought"], found["most"]) == ("replaced", "unchanged", "unchanged")
