"""PostgreSQL and DuckDB agree on every generated view, so that a mismatch with either is the engine's."""

from __future__ import annotations

from hypothesis import given

from tests.equivalence.cases import Case, Deploy, Tick, apply, cases
from tests.equivalence.compare import difference
from tests.equivalence.oracles import DuckdbOracle, PostgresOracle
from tests.equivalence.source_model import SourceModel


@given(case=cases())
def test_postgresql_and_duckdb_agree_on_every_view(case: Case, oracle_dsn: str) -> None:
    models = {table.name: SourceModel(table) for table in case.tables}
    with PostgresOracle(oracle_dsn) as postgres, DuckdbOracle() as duckdb:
        for oracle in (postgres, duckdb):
            for table in case.tables:
                oracle.create_table(table.mirror_ddl)
            for view in case.views:
                oracle.create_view(view.name, view.batch or view.sql)
        for step in case.steps:
            if not isinstance(step, (Deploy, Tick)):
                apply(models[step.table], step)
        for oracle in (postgres, duckdb):
            oracle.set_now(max(step.now for step in case.steps if isinstance(step, Tick)))
            for name, model in models.items():
                oracle.load(name, model.rows.values())
        for view in case.views:
            first, second = postgres.read(view.name), duckdb.read(view.name)
            assert first.names == second.names
            assert difference(first.rows, second.rows) is None, view.name
