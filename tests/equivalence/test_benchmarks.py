"""Every query of TPC-H and CH-benCHmark deploys, and has PostgreSQL's answer after every tick of a random history."""

from __future__ import annotations

import random

import pytest

from millstream.compiler.portable.rules import refuse_unportable
from millstream.engine import deploy
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.deploy.transaction import begin_change
from tests.databases import Databases
from tests.equivalence.benchmarks import CH, TPCH, Benchmark, Shop
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.values import EPOCH

TICKS = 8
NAMES = ("tpch", "ch")


@pytest.mark.parametrize("benchmark", [TPCH, CH], ids=NAMES)
def test_every_query_equals_postgresql_after_every_tick(benchmark: Benchmark, databases: Databases) -> None:
    shop = Shop(benchmark, random.Random(1))
    shown: set[str] = set()
    with databases.fresh() as dsn, Engine(dsn, watched=True) as engine:
        for name, declaration in benchmark.declarations.items():
            engine.deploy_table(name, declaration)
        for name, query in benchmark.queries.items():
            engine.deploy_view(name, query)
        for tick in range(TICKS):
            for statement, values in shop.fill() if tick == 0 else shop.changes(25):
                engine.write(statement, values)  # type: ignore[arg-type]
            engine.tick(EPOCH)
            assert not engine.change_errors
            for name, query in benchmark.queries.items():
                rows = engine.read(name).rows
                found = difference(engine.query(query), rows)
                assert found is None, f"{name} after tick {tick + 1}\n{found}"
                if any(value not in (None, 0) for row in rows for value in row):
                    shown.add(name)
    assert set(benchmark.queries) - shown == set(), "a query that never shows anything tells nothing"


@pytest.mark.parametrize("benchmark", [TPCH, CH], ids=NAMES)
def test_risingwave_would_keep_every_query(benchmark: Benchmark, databases: Databases) -> None:
    with databases.fresh() as dsn, deploy.connect(dsn) as connection:
        for name, declaration in benchmark.declarations.items():
            deploy.deploy_table(connection, name, declaration)
        with connection.transaction():
            catalogue = Resolver(begin_change(connection))
            for query in benchmark.queries.values():
                refuse_unportable(query, catalogue, None)
