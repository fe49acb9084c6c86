"""Materializations that only a cluster has, sinks, contracts, and process-time joins in contracts, show and unit tests."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture, write_file

from tests.adapter.test_deploy import message, rows

ITEMS = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (item_id varchar primary key, price double precision)
"""

SALES = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (sale_id varchar primary key, item_id varchar, quantity integer)
"""

PRICED = """
{{ config(materialized='materialized_view') }}
select
    s.sale_id,
    s.quantity * i.price as amount
from {{ ref('sales') }} as s
left join {{ ref('items') }} for system_time as of proctime() as i on i.item_id = s.item_id
"""

CONTRACT = """
models:
  - name: priced
    config:
      contract: {enforced: true}
    columns:
      - {name: sale_id, data_type: varchar}
      - {name: amount, data_type: double precision}
unit_tests:
  - name: amount_is_quantity_times_price
    model: priced
    given:
      - input: ref('sales')
        rows:
          - {sale_id: a, item_id: tea, quantity: 3}
      - input: ref('items')
        rows:
          - {item_id: tea, price: 2.5}
    expect:
      rows:
        - {sale_id: a, amount: 7.5}
"""


class TestProcessTimeJoin:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {"items.sql": ITEMS, "sales.sql": SALES, "priced.sql": PRICED, "schema.yml": CONTRACT}

    @pytest.fixture(scope="class", autouse=True)
    def deployed(self, project: Any, dsn: str) -> None:
        results = run_dbt(["run"])
        assert message(results, "priced").startswith("created: incremental (on act")
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f'insert into "{project.test_schema}".items values (%s, 2)', ["tea"])
            conn.execute("call millstream.flush()")
            conn.execute(f'insert into "{project.test_schema}".sales values (%s, %s, 5)', ["a", "tea"])
            conn.execute("call millstream.flush()")

    def test_it_is_kept(self, project: Any) -> None:
        assert rows(project, "priced") == [("a", 10.0)]

    def test_show_reads_the_right_side_as_it_is_now(self, project: Any) -> None:
        _, output = run_dbt_and_capture(["show", "--select", "priced"])
        assert "10" in output.split("amount")[1]

    def test_its_logic_can_be_unit_tested(self, project: Any) -> None:
        results = run_dbt(["test", "--select", "test_type:unit"])
        assert [str(result.status) for result in results] == ["pass"]

    def test_a_broken_contract_is_refused_before_anything_is_deployed(self, project: Any) -> None:
        write_file(PRICED.replace("as amount", "as total"), project.project_root, "models", "priced.sql")
        results = run_dbt(["run", "--select", "priced"], expect_pass=False)
        assert "missing in contract" in results[0].message
        assert "missing in definition" in results[0].message
        assert rows(project, "priced") == [("a", 10.0)]


RAW = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (payload varchar)
"""

PARSED = """
{{ config(materialized='materialized_view') }}
select
    split_part(payload, ',', 1) as sale_id,
    split_part(payload, ',', 2) as item_id,
    1 as quantity
from {{ ref('raw') }}
"""

INTO_SALES = """
{{ config(materialized='sink') }}
create sink {{ this }} into {{ ref('sales') }} from {{ ref('parsed') }}
with (type = 'append-only', force_append_only = 'true')
"""

TO_KAFKA = """
{{ config(materialized='sink', connector='kafka', connector_parameters={'topic': 'sales'}) }}
{{ ref('sales') }}
"""


class TestSinks:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "raw.sql": RAW,
            "parsed.sql": PARSED,
            "sales.sql": SALES,
            "into_sales.sql": INTO_SALES,
            "to_kafka.sql": TO_KAFKA,
        }

    def test_rows_of_a_view_enter_a_source_relation(self, project: Any, dsn: str) -> None:
        results = run_dbt(["run", "--exclude", "to_kafka"])
        assert message(results, "into_sales") == "created: into sales"
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f'insert into "{project.test_schema}".raw values (%s)', ["a,tea"])
            conn.execute("call millstream.flush()")
            conn.execute("call millstream.flush()")
        assert rows(project, "sales") == [("a", "tea", 1)]
        assert message(run_dbt(["run", "--select", "into_sales"]), "into_sales") == "unchanged: into sales"

    def test_a_sink_to_somewhere_else_is_refused(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "to_kafka"], expect_pass=False)
        assert "sinks into its own tables only" in results[0].message


class TestForAClusterOnly:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "broker.sql": "{{ config(materialized='connection') }}\ncreate connection {{ this }} with (type = 'kafka')",
            "token.sql": "{{ config(materialized='secret') }}\ncreate secret {{ this }} with (backend = 'meta') as 'x'",
            "feed.sql": "{{ config(materialized='subscription', retention='1D') }}\nselect 1 as n",
            "stream.sql": "{{ config(materialized='source') }}\ncreate source {{ this }} (n integer)",
        }

    def test_what_has_no_meaning_here_is_skipped_and_says_why(self, project: Any) -> None:
        results = run_dbt(["run", "--exclude", "stream"])
        assert {r.node.name: r.message for r in results} == {
            "broker": "skipped: the embedded engine holds no connections, loaders do",
            "token": "skipped: the embedded engine keeps no secrets",
            "feed": "skipped: the embedded engine has no change feed",
        }

    def test_a_source_is_refused_with_what_to_write(self, project: Any) -> None:
        results = run_dbt(["run", "--select", "stream"], expect_pass=False)
        assert "materialized='table_with_connector'" in results[0].message


class TestReadYourWrite:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        counted = "{{ config(materialized='materialized_view') }}\nselect sale_id, count(*) as sales from {{ ref('sales') }} group by sale_id"
        return {"sales.sql": SALES, "counted.sql": counted}

    @pytest.fixture(scope="class")
    def tests(self) -> dict[str, str]:
        expected = "select 1 as missing where (select count(*) from {{ ref('counted') }}) <> 200"
        return {"all_are_counted.sql": expected}

    def test_a_test_sees_what_was_written_before_it(self, project: Any, dsn: str) -> None:
        run_dbt(["run"])
        with psycopg.connect(dsn, autocommit=True) as conn, conn.cursor() as cursor:
            cursor.execute(
                f"insert into \"{project.test_schema}\".sales select n::text, 'tea', 1 from generate_series(1, 200) as n"
            )
        results = run_dbt(["test"])
        assert [str(result.status) for result in results] == ["pass"]


class TestChangedKind:
    """A model that others read goes from view to table and back; dbt's own words say how."""

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {
            "visits.sql": "{{ config(materialized='table_with_connector') }}\n"
            "create table {{ this }} (visit_id integer primary key, page varchar)",
            "pages.sql": "{{ config(materialized=var('kind', 'view')) }}\nselect visit_id, page from {{ ref('visits') }}",
            "counts.sql": "{{ config(materialized='materialized_view') }}\n"
            "select page, count(*) as n from {{ ref('pages') }} group by page",
        }

    @pytest.mark.parametrize("kind", ["table", "view"])
    def test_the_remedy_is_dbts_and_works(self, project: Any, kind: str) -> None:
        if kind == "table":
            run_dbt(["run"])
        given = ["--vars", f"kind: {kind}"]
        _, output = run_dbt_and_capture(["run", *given], expect_pass=False)
        assert "is read by counts" in output
        assert "cascade" not in output
        [remedy] = re.findall(r"`dbt (run --full-refresh --select pages\+)`", output)
        results = run_dbt([*remedy.split(), *given])
        assert [result.status for result in results] == ["success", "success"]
