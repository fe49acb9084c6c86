"""Functions: dbt's public suite for SQL functions, and Python functions that run in the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.adapter.functions.test_udfs import (
    CanFindScalarFunctionRelation,
    DeterministicUDF,
    ErrorForUnsupportedType,
    NonDeterministicUDF,
    SqlUDFDefaultArgSupport,
    StableUDF,
    UDFsBasic,
)
from dbt.tests.util import run_dbt, run_dbt_and_capture, write_file


class TestUDFsBasic(UDFsBasic):
    pass


class TestDeterministicUDF(DeterministicUDF):
    pass


class TestNonDeterministicUDF(NonDeterministicUDF):
    pass


class TestStableUDF(StableUDF):
    pass


class TestCanFindScalarFunctionRelation(CanFindScalarFunctionRelation):
    pass


class TestSqlUDFDefaultArgSupport(SqlUDFDefaultArgSupport):
    """RisingWave has no default arguments, so neither has the adapter."""


class TestErrorForUnsupportedType(ErrorForUnsupportedType):
    def test_udfs(self, project: Any, sql_event_catcher: Any) -> None:
        """Our message names the function and says which type can be deployed."""
        results = run_dbt(["build"], expect_pass=False)
        assert "only scalar functions can be deployed; price_for_xlarge is table" in results[0].message


BAND_DECLARATION = """
functions:
  - name: band
    arguments:
      - {name: price, data_type: double precision}
    returns:
      data_type: varchar
"""

BAND = "select case when price < {limit} then 'low' else 'high' end"

BANDS = """
{{ config(materialized='materialized_view') }}
select
    {{ function('band') }}(price) as band,
    count(*) as sales
from {{ ref('prices') }}
group by {{ function('band') }}(price)
"""


class TestSqlFunction:
    """A SQL function is put in place of its calls, so a materialized view with it is kept like any other."""

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        prices = "create table {{ this }} (sale_id varchar primary key, price double precision)"
        return {
            "prices.sql": "{{ config(materialized='table_with_connector') }}\n" + prices,
            "bands.sql": BANDS,
        }

    @pytest.fixture(scope="class")
    def functions(self) -> dict[str, str]:
        return {"band.sql": BAND.format(limit=5), "band.yml": BAND_DECLARATION}

    def bands(self, project: Any, dsn: str) -> dict[str, int]:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("call millstream.flush()")
            return dict(conn.execute(f'select band, sales from "{project.test_schema}".bands').fetchall())

    def test_a_view_follows_what_it_computes(self, project: Any, dsn: str) -> None:
        run_dbt(["build"])
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(
                f"insert into \"{project.test_schema}\".prices values ('a', 1), ('b', 7), ('c', 9)".encode()
            )
        assert self.bands(project, dsn) == {"low": 1, "high": 2}

    def test_an_unchanged_function_is_left_alone(self, project: Any) -> None:
        results = run_dbt(["build", "--select", "band"])
        assert results[0].message == "unchanged: sql function"

    def test_a_changed_body_rebuilds_the_views_that_call_it(self, project: Any, dsn: str) -> None:
        write_file(BAND.format(limit=8), project.project_root, "functions", "band.sql")
        results = run_dbt(["build", "--select", "band"])
        assert "rebuilt bands" in results[0].message
        assert self.bands(project, dsn) == {"low": 2, "high": 1}

    def test_what_cannot_be_put_in_place_is_refused_with_its_file(self, project: Any) -> None:
        write_file(
            f"select count(*) from {project.test_schema}.prices",
            project.project_root,
            "functions",
            "band.sql",
        )
        results = run_dbt(["build", "--select", "band"], expect_pass=False)
        assert "error[MS059] functions/band.sql" in results[0].message


DOUBLE = '''
def double_v1(quantity):
    """Twice the quantity; NULL stays NULL."""
    return None if quantity is None else 2 * quantity
'''

DECLARATION = """
functions:
  - name: double_v1
    config:
      schema: public
      type: scalar
      link: http://localhost:8815
      remote_name: double_v1
      entry_point: double_v1
      runtime_version: "3.11"
    arguments:
      - {name: quantity, data_type: integer}
    returns:
      data_type: integer
"""

SALES = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (sale_id varchar primary key, quantity integer)
"""

# The engine calls Python functions of the schema public.
SCHEMA_NAME = """
{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}
"""

DOUBLED = """
{{ config(materialized='materialized_view') }}
select
    sale_id,
    {{ function('double_v1') }}(quantity) as doubled
from {{ ref('sales') }}
"""


class TestPythonFunction:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {"sales.sql": SALES, "doubled.sql": DOUBLED}

    @pytest.fixture(scope="class")
    def functions(self) -> dict[str, str]:
        return {"double_v1.py": DOUBLE, "double_v1.yml": DECLARATION}

    @pytest.fixture(scope="class")
    def macros(self) -> dict[str, str]:
        return {"schema_name.sql": SCHEMA_NAME}

    @pytest.fixture(scope="class")
    def udf(self, project: Any) -> Path:
        directory = Path(str(project.project_root), "udfs")
        directory.mkdir()
        write_file(DOUBLE, directory, "double_v1.py")
        return directory / "double_v1.py"

    def test_a_plain_run_deploys_the_functions_that_views_call(
        self, project: Any, udf: Path, dsn: str
    ) -> None:
        results, output = run_dbt_and_capture(["run"])
        assert {r.node.name for r in results} == {"sales", "doubled"}
        assert "created python function public.double_v1" in output
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f'insert into "{project.test_schema}".sales values (%s, 3), (%s, null)', ["a", "b"])
            conn.execute("call millstream.flush()")
            found = conn.execute(f'select * from "{project.test_schema}".doubled order by sale_id').fetchall()
        assert found == [("a", 6), ("b", None)]

    def test_build_deploys_it_as_a_resource_and_leaves_an_unchanged_one(
        self, project: Any, udf: Path
    ) -> None:
        results = run_dbt(["build", "--select", "double_v1"])
        assert results[0].message == "unchanged: python function"

    def test_a_missing_file_is_named(self, project: Any, udf: Path) -> None:
        udf.rename(udf.with_name("double_v2.py"))
        results = run_dbt(["build", "--select", "double_v1"], expect_pass=False)
        assert (
            "looked for udfs/double_v1.py, udfs/double.py; set `module` in its config" in results[0].message
        )
        udf.with_name("double_v2.py").rename(udf)

    def test_another_signature_needs_another_name(self, project: Any, udf: Path) -> None:
        write_file(
            DECLARATION.replace("integer}", "bigint}"), project.project_root, "functions", "double_v1.yml"
        )
        results = run_dbt(["build", "--select", "double_v1"], expect_pass=False)
        assert "its signature changed" in results[0].message
