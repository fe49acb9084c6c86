"""A selection that leaves out what its models read says which command brings it."""

from __future__ import annotations

from typing import Any

import pytest
from dbt.tests.util import run_dbt

MODELS = {
    "orders.sql": "{{ config(materialized='table_with_connector') }} create table {{ this }} (order_id varchar primary key)",
    "kept.sql": "{{ config(materialized='materialized_view') }} select order_id from {{ ref('orders') }}",
    "inlined.sql": "{{ config(materialized='ephemeral') }}\nselect order_id\nfrom {{ ref('kept') }}",
    "over_inlined.sql": "{{ config(materialized='materialized_view') }} select order_id from {{ ref('inlined') }}",
    "read.sql": "select\n    order_id\nfrom {{ ref('kept') }}",
    "copied.sql": "{{ config(materialized='table') }} select order_id from {{ ref('kept') }}",
    "sent.sql": "{{ config(materialized='sink') }} create sink {{ this }} into {{ ref('orders') }} from {{ ref('kept') }}",
}


class TestPartialSelections:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return MODELS

    @pytest.mark.parametrize(
        ("model", "remedy", "place"),
        [
            ("kept", "--select +kept)", "models/kept.sql:1"),
            ("over_inlined", "--select +over_inlined)", "models/inlined.sql:3"),
            ("read", "--select +read)", "models/read.sql:3"),
            ("copied", "--select +kept)", "models/copied.sql"),
            ("sent", "--select +sent)", "models/sent.sql"),
        ],
    )
    def test_the_refusal_names_the_command(self, project: Any, model: str, remedy: str, place: str) -> None:
        (result,) = run_dbt(["run", "--select", model], expect_pass=False)
        assert f"deploy it first (dbt run {remedy}" in result.message
        assert place in result.message
