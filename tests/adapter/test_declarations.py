"""Refusals of declarations name the file and the line in which the author wrote what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from dbt.tests.util import run_dbt

TABLE = "{{ config(materialized='table_with_connector') }}\n-- key, check and nowhere\n\ncreate table {{ this }} (\n    a varchar primary key,\n    "
DECLARED = {
    "unknown_type": ("b hstore\n)", "MS036", 6),
    "no_json": ("b json\n)", "MS036", 6),
    "checked": ("b integer check (b > 0)\n)", "MS030", 6),
    "twice": ("a integer\n)", "MS030", 6),
    "conflicting": ("b integer\n) on conflict do sometimes", "MS030", 7),
    "connected": ("b integer\n)\nwith (\n    connector = 'nats'\n)", "MS030", 8),
}
MODELS = {f"{name}.sql": TABLE + text for name, (text, _, _) in DECLARED.items()} | {
    "no_table.sql": "{{ config(materialized='table_with_connector') }}\n\nselect 1 as a",
    "no_key.sql": "{{ config(materialized='table_with_connector') }}\ncreate table {{ this }} (\n    a varchar,\n    primary key (c)\n)",
    "good.sql": TABLE + "b integer\n)",
    "sent.sql": "{{ config(materialized='sink') }}\n-- nowhere\ncreate sink {{ this }}\ninto nowhere\nfrom {{ ref('good') }}",
    "indexed.sql": "{{ config(\n    materialized='materialized_view',\n    indexes=[{'columns': ['zz']}],\n) }}\n"
    "select b from {{ ref('good') }}",
}
PLACES = {name: (code, f"models/{name}.sql:{line}:") for name, (_, code, line) in DECLARED.items()} | {
    "no_table": ("MS030", "models/no_table.sql:3:"),
    "no_key": ("MS030", "models/no_key.sql:4:"),
    "sent": ("MS034", "models/sent.sql:4:"),
    "indexed": ("MS038", "models/indexed.sql:3:"),
    "reads_more": ("MS059", "functions/reads_more.sql:4:"),
    "no_select": ("MS059", "functions/no_select.sql:2:"),
    "typed": ("MS028", "functions/functions.yml:4:"),
}


class TestDeclarations:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return MODELS

    @pytest.fixture(scope="class")
    def functions(self) -> dict[str, str]:
        return {
            "reads_more.sql": "-- y\n\nselect x +\n  abs(y)",
            "no_select.sql": "-- a comment\nx + 1",
            "typed.sql": "select 1",
            "functions.yml": """functions:
  - {name: reads_more, arguments: [{name: x, data_type: integer}], returns: {data_type: integer}}
  - {name: no_select, arguments: [{name: x, data_type: integer}], returns: {data_type: integer}}
  - {name: typed, arguments: [{name: x, data_type: hstore}], returns: {data_type: integer}}
""",
        }

    def test_every_refusal_names_its_file_and_line(self, project: Any) -> None:
        results = run_dbt(["build"], expect_pass=False)
        said = {result.node.name: result.message for result in results if result.status == "error"}
        wrong = {
            name: said.get(name)
            for name, (code, place) in PLACES.items()
            if f"error[{code}] {place}" not in str(said.get(name))
        }
        assert wrong == {}
        assert set(said) == set(PLACES)
