"""Seeds, tables and incremental models: source relations whose rows dbt brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture, write_file

ITEMS = "item_id,category,price\ntea,drink,2.5\ncup,ware,7\ntea,drink,2.5\npot,,12\n"

BY_CATEGORY = """
{{ config(materialized='materialized_view') }}
select
    category,
    count(*) as items
from {{ ref('items') }}
group by category
"""


def rows(project: Any, name: str) -> set[tuple[Any, ...]]:
    return set(project.run_sql(f"select * from {project.test_schema}.{name}", fetch="all"))


def queued(dsn: str, schema: str) -> int:
    """How many rows of `items` the worker has taken from its queue so far."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute(
            "select coalesce(sum((taken ->> %s)::int), 0) from millstream.tick_log", [f"{schema}.items"]
        ).fetchone()
    assert row is not None
    return int(row[0])


class TestSeedsUnderViews:
    @pytest.fixture(scope="class")
    def seeds(self) -> dict[str, str]:
        return {"items.csv": ITEMS}

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {"by_category.sql": BY_CATEGORY}

    @pytest.fixture(scope="class", autouse=True)
    def built(self, project: Any) -> None:
        results = run_dbt(["build"])
        assert len(results) == 2

    def test_a_view_reads_the_seed_and_equal_rows_count_twice(self, project: Any) -> None:
        assert rows(project, "by_category") == {("drink", 2), ("ware", 1), (None, 1)}

    def test_an_unchanged_seed_writes_nothing(self, project: Any, dsn: str) -> None:
        before = queued(dsn, project.test_schema)
        run_dbt(["seed"])
        assert queued(dsn, project.test_schema) == before

    def test_a_changed_seed_writes_the_difference_and_the_view_follows(self, project: Any, dsn: str) -> None:
        before = queued(dsn, project.test_schema)
        write_file(ITEMS.replace("pot,,12", "pot,ware,12"), project.project_root, "seeds", "items.csv")
        run_dbt(["seed"])
        assert queued(dsn, project.test_schema) == before + 2
        assert rows(project, "by_category") == {("drink", 2), ("ware", 2)}

    def test_other_columns_are_refused_until_a_full_refresh_which_says_what_it_dropped(
        self, project: Any
    ) -> None:
        write_file("item_id,weight\ntea,1\n", project.project_root, "seeds", "items.csv")
        refused = run_dbt(["seed"], expect_pass=False)
        assert "--full-refresh" in refused[0].message
        assert rows(project, "by_category") == {("drink", 2), ("ware", 2)}

        _, output = run_dbt_and_capture(["seed", "--full-refresh"])
        assert f"{project.test_schema}.by_category" in output
        assert rows(project, "items") == {("tea", 1)}


class TestTables:
    @pytest.fixture(scope="class")
    def seeds(self) -> dict[str, str]:
        return {"items.csv": ITEMS}

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "dear.sql": "{{ config(materialized='table') }}\nselect item_id, price from {{ ref('items') }} where price > 5",
            "dear_items.sql": "{{ config(materialized='materialized_view') }}\nselect count(*) as n from {{ ref('dear') }}",
        }

    def test_a_table_is_a_snapshot_that_views_may_read(self, project: Any) -> None:
        run_dbt(["build"])
        assert rows(project, "dear_items") == {(2,)}
        write_file(ITEMS + "jar,ware,9\n", project.project_root, "seeds", "items.csv")
        run_dbt(["seed"])
        assert rows(project, "dear_items") == {(2,)}
        run_dbt(["run", "--select", "dear"])
        assert rows(project, "dear_items") == {(3,)}

    def test_a_failing_query_leaves_the_rows_alone(self, project: Any) -> None:
        model = Path(str(project.project_root), "models", "dear.sql")
        model.write_text(
            model.read_text().replace("select item_id", "select 1 / (price - price) as x, item_id")
        )
        run_dbt(["run", "--select", "dear"], expect_pass=False)
        assert rows(project, "dear_items") == {(3,)}


class TestIncremental:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "log.sql": """
                {{ config(materialized='incremental', unique_key='id') }}
                select {{ var('id') }} as id, '{{ var('text') }}' as text
            """,
            "count_log.sql": "{{ config(materialized='materialized_view') }}\nselect count(*) as n, max(text) as text from {{ ref('log') }}",
        }

    def test_rows_are_added_and_replaced_by_key(self, project: Any) -> None:
        for row, expected in (
            ("{id: 1, text: a}", (1, "a")),
            ("{id: 2, text: b}", (2, "b")),
            ("{id: 2, text: c}", (2, "c")),
        ):
            run_dbt(["run", "--vars", row])
            assert rows(project, "count_log") == {expected}
