"""What `dbt run` does with views: deploy, leave alone, swap, rebuild readers, refuse with a place, drop what is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.util import get_manifest, run_dbt, run_dbt_and_capture, write_file

EVENTS = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (
    event_id varchar primary key,
    user_id varchar,
    item_id varchar,
    quantity integer
) on conflict do nothing
"""

CLICKS = """
{{ config(
    materialized='materialized_view',
    indexes=[{'columns': ['clicks'], 'include': ['item_id'], 'distributed_by': ['clicks']}],
    zero_downtime={'enabled': true},
) }}
select
    item_id,
    count(*) as clicks
from {{ ref('events') }}
group by item_id
"""

POPULAR = """
{{ config(materialized='materialized_view') }}
select
    item_id,
    clicks
from {{ ref('clicks') }}
where clicks > 1
"""

SERVED = """
select item_id from {{ ref('popular') }}
"""


def message(results: Any, name: str) -> str:
    """The status of one node of a run."""
    return next(str(result.message) for result in results if result.node.name == name)


def rows(project: Any, name: str) -> list[tuple[Any, ...]]:
    """All rows of a relation in order."""
    return sorted(project.run_sql(f"select * from {project.test_schema}.{name}", fetch="all"))


def insert(dsn: str, schema: str, *events: tuple[str, str, str, int]) -> None:
    """Insert events and wait until the views show them."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        with conn.cursor() as cursor:
            cursor.executemany(f'insert into "{schema}".events values (%s, %s, %s, %s)', events)
        conn.execute("call millstream.flush()")


class Views:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {"events.sql": EVENTS, "clicks.sql": CLICKS, "popular.sql": POPULAR, "served.sql": SERVED}

    @pytest.fixture(scope="class")
    def deployed(self, project: Any, dsn: str) -> Any:
        """The first run, and three events."""
        results = run_dbt(["run"])
        insert(
            dsn, project.test_schema, ("1", "ann", "tea", 1), ("2", "bob", "tea", 1), ("3", "ann", "cup", 2)
        )
        return results


class TestFirstRun(Views):
    def test_each_view_is_created_and_says_how_it_is_kept(self, deployed: Any) -> None:
        assert message(deployed, "events").startswith("created: source table")
        assert message(deployed, "clicks").startswith("created: incremental (")
        assert message(deployed, "served").startswith("created: view")

    def test_the_status_line_carries_the_message(self, deployed: Any, project: Any) -> None:
        _, output = run_dbt_and_capture(["run", "--no-use-colors", "--select", "clicks"])
        line = next(line for line in output.splitlines() if "OK" in line and "clicks" in line)
        assert "unchanged: incremental (" in line

    def test_views_follow_what_is_inserted(self, deployed: Any, project: Any) -> None:
        assert rows(project, "clicks") == [("cup", 1), ("tea", 2)]
        assert rows(project, "served") == [("tea",)]

    def test_the_response_is_kept_in_run_results(self, deployed: Any) -> None:
        response = next(r.adapter_response for r in deployed if r.node.name == "clicks")
        assert response["action"] == "created"
        assert response["code"] == "CREATED"

    def test_an_index_of_the_config_is_made(self, deployed: Any, project: Any, dsn: str) -> None:
        with psycopg.connect(dsn) as conn:
            found = conn.execute(
                "select indexdef from pg_indexes where schemaname = 'millstream_data' and tablename like %s",
                [f"{project.test_schema}.clicks@%"],
            ).fetchall()
        assert any("(clicks)" in definition for (definition,) in found)

    def test_dbt_knows_the_kinds(self, deployed: Any, project: Any) -> None:
        with project.adapter.connection_named("kinds"):
            found = {
                relation.identifier: str(relation.type)
                for relation in project.adapter.list_relations(project.database, project.test_schema)
            }
        assert found == {
            "events": "table",
            "clicks": "materialized_view",
            "popular": "materialized_view",
            "served": "view",
        }


class TestSecondRun(Views):
    def test_nothing_is_deployed_again(self, deployed: Any) -> None:
        assert {r.node.name: r.adapter_response["action"] for r in run_dbt(["run"])} == {
            "events": "unchanged",
            "clicks": "unchanged",
            "popular": "unchanged",
            "served": "unchanged",
        }


class TestChangedView(Views):
    def test_a_changed_view_is_swapped_and_its_readers_rebuilt(
        self, deployed: Any, project: Any, dsn: str
    ) -> None:
        with psycopg.connect(dsn, autocommit=True) as reader:
            before = reader.execute(f'select sum(clicks) from "{project.test_schema}".clicks').fetchone()
            write_file(
                CLICKS.replace("count(*)", "10 * count(*)"), project.project_root, "models", "clicks.sql"
            )
            results = run_dbt(["run"])
            after = reader.execute(f'select sum(clicks) from "{project.test_schema}".clicks').fetchone()
        assert before == (3,)
        assert after == (30,)
        assert message(results, "clicks").startswith("replaced: incremental (")
        assert "rebuilt" not in message(results, "clicks")  # popular has its own turn in this run
        assert message(results, "popular").startswith("replaced: ")
        assert rows(project, "served") == [("cup",), ("tea",)]

    def test_it_goes_on_following(self, deployed: Any, project: Any, dsn: str) -> None:
        insert(dsn, project.test_schema, ("4", "cid", "pot", 1))
        assert ("pot",) in rows(project, "served")

    def test_readers_that_the_run_leaves_out_are_rebuilt_with_it(self, deployed: Any, project: Any) -> None:
        write_file(CLICKS, project.project_root, "models", "clicks.sql")
        results = run_dbt(["run", "--select", "clicks"])
        assert "rebuilt popular" in message(results, "clicks")

    def test_a_full_refresh_builds_every_view_again_once(self, deployed: Any, project: Any) -> None:
        before = rows(project, "clicks")
        results = run_dbt(["run", "--full-refresh"])
        assert message(results, "events").startswith("unchanged: ")
        assert message(results, "clicks").startswith("replaced: ")
        assert message(results, "popular").startswith("replaced: ")
        assert "rebuilt" not in message(results, "clicks")
        assert rows(project, "clicks") == before


class TestRemovedModels(Views):
    def test_nothing_is_removed_at_first(self, deployed: Any) -> None:
        _, output = run_dbt_and_capture(["run-operation", "drop_removed"])
        assert "nothing to drop: everything deployed is in the project" in output

    def test_a_dry_run_lists_and_a_real_one_drops_readers_first(self, deployed: Any, project: Any) -> None:
        for name in ("clicks", "popular", "served"):
            (Path(str(project.project_root)) / "models" / f"{name}.sql").unlink()
        schema = project.test_schema
        _, output = run_dbt_and_capture(["run-operation", "drop_removed"])
        assert f"would drop materialized_view {schema}.clicks" in output
        assert f"would drop view {schema}.served" in output
        assert "events" not in output.split("would drop", 1)[1]
        assert rows(project, "clicks") == [("cup", 1), ("tea", 2)]

        _, output = run_dbt_and_capture(["run-operation", "drop_removed", "--args", "{dry_run: false}"])
        dropped = [line.split("dropped ")[1] for line in output.splitlines() if "dropped " in line]
        assert dropped == [f"{schema}.served", f"{schema}.popular", f"{schema}.clicks"]
        assert set(project.get_tables_in_schema()) == {"events"}

    def test_what_a_remaining_model_reads_is_not_dropped(self, deployed: Any, project: Any) -> None:
        write_file(
            "select event_id from {{ target.schema }}.events", project.project_root, "models", "ids.sql"
        )
        run_dbt(["run", "--select", "ids"])
        (Path(str(project.project_root)) / "models" / "events.sql").unlink()
        _, output = run_dbt_and_capture(
            ["run-operation", "drop_removed", "--args", "{dry_run: false}"], expect_pass=False
        )
        assert "events is read by ids, which stays" in output
        assert "drop_removed" in output
        assert "cascade" not in output
        assert "events" in project.get_tables_in_schema()


class TestRefusal:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "events.sql": EVENTS,
            "rates.sql": """
                -- a comment before the config

                {{
                    config(
                        materialized='materialized_view'
                    )
                }}
                select
                    item_id,
                    now() as at
                from {{ ref('events') }}
            """,
            "inner.sql": "{{ config(materialized='ephemeral') }}\nselect\n    item_id,\n    now() as at\nfrom {{ ref('events') }}",
            "outer.sql": "{{ config(materialized='materialized_view') }}\nselect item_id from {{ ref('inner') }}",
        }

    def test_a_refusal_names_file_line_and_column(self, project: Any) -> None:
        results, output = run_dbt_and_capture(["run", "--select", "events", "rates"], expect_pass=False)
        failed = next(result for result in results if result.node.name == "rates")
        place = next(line for line in failed.message.splitlines() if "error[" in line)
        text = Path(str(project.project_root), "models", "rates.sql").read_text().splitlines()
        line = next(number for number, found in enumerate(text, 1) if "now()" in found)
        column = text[line - 1].index("now()") + 1
        assert f" models/rates.sql:{line}:{column} " in place
        assert "why:" in failed.message
        assert "hint:" in failed.message
        assert "Refused Error in model rates (models/rates.sql)" in output

    def test_a_refusal_in_an_ephemeral_model_names_its_file(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "events", "outer"], expect_pass=False)
        failed = next(result for result in results if result.node.name == "outer")
        assert " models/inner.sql:4:" in failed.message

    def test_an_error_of_postgresql_in_a_plain_view_names_the_line(self, project: Any) -> None:
        text = (
            "{{ config(\n    materialized='view'\n) }}\nselect\n    missing_column\nfrom {{ ref('events') }}"
        )
        write_file(text, project.project_root, "models", "plain.sql")
        results = run_dbt(["run", "--select", "events", "plain"], expect_pass=False)
        failed = next(result for result in results if result.node.name == "plain")
        assert (
            'error[MS028] models/plain.sql:5:5 plain: column "missing_column" does not exist'
            in failed.message
        )

    def test_nothing_is_left_of_a_refused_view(self, project: Any) -> None:
        assert not {"rates", "outer"} & set(project.get_tables_in_schema())
        assert get_manifest(project.project_root).nodes["model.test.rates"]


class TestReaderInTheWay(Views):
    @pytest.fixture(scope="class")
    def dbt_profile_target(self, dbt_profile_target: dict[str, Any]) -> dict[str, Any]:
        return {**dbt_profile_target, "lock_timeout": 1}

    def test_a_swap_waits_for_a_reader_no_longer_than_it_may_and_says_so(
        self, deployed: Any, project: Any, dsn: str
    ) -> None:
        changed = SERVED.replace("select item_id", "select item_id || '' as item_id")
        write_file(changed, project.project_root, "models", "served.sql")
        with psycopg.connect(dsn) as reader:
            reader.execute(f'select * from "{project.test_schema}".served')
            results = run_dbt(["run", "--select", "served"], expect_pass=False)
        assert "error[MS090] models/served.sql:2:1 " in results[0].message
        assert "a reader's transaction" in results[0].message
        assert "`lock_timeout` in profiles.yml" in results[0].message
        assert message(run_dbt(["run", "--select", "served"]), "served").startswith("replaced: ")
