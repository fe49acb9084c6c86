"""The engine's own tables: keys unique, hidden accumulators and hashes equal to what a computation from scratch gives."""

from __future__ import annotations

from hypothesis import given

from tests.databases import Databases
from tests.equivalence.cases import Case, Deploy, Tick, cases
from tests.equivalence.engine import Engine
from tests.equivalence.state import stored_state_errors


@given(case=cases(maximum=3))
def test_hidden_state_equals_a_computation_from_scratch(case: Case, databases: Databases) -> None:
    by_name = {view.name: view for view in case.views}
    with databases.fresh() as dsn, Engine(dsn, spelling=case.spelling) as engine:
        for table in case.tables:
            engine.create_table(table)
        for step in case.steps:
            if isinstance(step, Deploy):
                engine.create_view(by_name[step.view])
            elif isinstance(step, Tick):
                engine.tick(step.now)
                assert stored_state_errors(engine, step.now) == []
            else:
                engine.execute(step)
