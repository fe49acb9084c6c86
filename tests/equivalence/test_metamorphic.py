"""Views depend on what their sources hold, not on how it got there: any split of the history gives the same rows."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given

from tests.databases import Databases
from tests.equivalence.cases import Case, Deploy, Insert, Tick, apply, cases
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.oracles import Result
from tests.equivalence.source_model import SourceModel

Contents = dict[str, Result]


def contents(engine: Engine, case: Case) -> Contents:
    return {view.name: engine.read(view.name) for view in case.views if view.materialized}


def assert_same(expected: Contents, actual: Contents, what: str) -> None:
    for name, result in expected.items():
        found = difference(result.rows, actual[name].rows)
        assert found is None, f"{name} {what}\n{found}"


def played(engine: Engine, case: Case) -> tuple[dict[str, SourceModel], datetime]:
    """Play the whole history; return what the sources hold at its end, and its last now."""
    models = {table.name: SourceModel(table) for table in case.tables}
    by_name = {view.name: view for view in case.views}
    now = None
    for table in case.tables:
        engine.create_table(table)
    for step in case.steps:
        if isinstance(step, Deploy):
            engine.create_view(by_name[step.view])
        elif isinstance(step, Tick):
            now = step.now
            engine.tick(now)
        else:
            engine.execute(step)
            apply(models[step.table], step)
    assert now is not None
    return models, now


@given(case=cases())
def test_one_batch_and_any_split_and_backfill_give_the_same_rows(case: Case, databases: Databases) -> None:
    with databases.fresh() as dsn, Engine(dsn, spelling=case.spelling) as engine:
        models, now = played(engine, case)
        expected = contents(engine, case)
        redeployed(engine, case)
        assert_same(expected, contents(engine, case), "after it was dropped and deployed again")
    for size in (None, 1):
        with databases.fresh() as dsn, Engine(dsn, spelling=case.spelling) as engine:
            for table in case.tables:
                engine.create_table(table)
            engine.tick(now)
            for view in case.views:
                engine.create_view(view)
            for name, model in models.items():
                rows = tuple(model.rows.values())
                for part in [(row,) for row in rows] if size else [rows] if rows else []:
                    engine.execute(Insert(name, part))
                    if size:
                        engine.tick(now)
            engine.tick(now)
            assert_same(expected, contents(engine, case), "row by row" if size else "in one batch")


def redeployed(engine: Engine, case: Case) -> None:
    """Drop every view, readers first, and deploy them again over what the sources hold."""
    for view in reversed(case.views):
        engine.drop(view.name)
    for view in case.views:
        engine.create_view(view)


@given(case=cases(maximum=2))
def test_taking_a_view_away_from_under_its_readers_takes_them_too(case: Case, databases: Databases) -> None:
    with databases.fresh() as dsn, Engine(dsn, spelling=case.spelling) as engine:
        _, now = played(engine, case)
        expected = contents(engine, case)
        for table in case.tables:
            for view in case.views:
                if table.name in view.inputs and engine.exists(view.name):
                    engine.drop(view.name, cascade=True)
        assert not [view.name for view in case.views if engine.exists(view.name)]
        engine.tick(now)
        for view in case.views:
            engine.create_view(view)
        assert_same(expected, contents(engine, case), "after the views were dropped with cascade")
