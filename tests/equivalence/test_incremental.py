"""Every deterministic view equals its SQL evaluated from scratch, on deployment and after every tick."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.databases import Databases
from tests.equivalence.act_cases import act_cases, bag_act_cases
from tests.equivalence.cases import Case, cases
from tests.equivalence.queries import BUILDERS, POSTGRES_BUILDERS
from tests.equivalence.run import run


@given(case=cases())
def test_every_view_equals_its_sql_after_every_tick(
    case: Case, databases: Databases, oracle_dsn: str
) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


@pytest.mark.parametrize("kind", BUILDERS)
def test_each_construct_alone(kind: str, databases: Databases, oracle_dsn: str) -> None:
    @settings(max_examples=8)
    @given(case=cases(kinds=(kind,), maximum=1, depth=0, ticks=4))
    def check(case: Case) -> None:
        with databases.fresh() as dsn:
            run(case, dsn, oracle_dsn)

    check()


@pytest.mark.parametrize("kind", POSTGRES_BUILDERS)
def test_each_construct_that_only_postgresql_can_check(
    kind: str, databases: Databases, oracle_dsn: str
) -> None:
    @settings(max_examples=12)
    @given(case=cases(kinds=(kind,), maximum=1, depth=0, ticks=4))
    def check(case: Case) -> None:
        with databases.fresh() as dsn:
            run(case, dsn, oracle_dsn, postgres_alone=True)

    check()


@given(case=act_cases())
def test_every_on_act_view_equals_its_tape(case: Case, databases: Databases, oracle_dsn: str) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


@given(case=bag_act_cases())
def test_every_on_act_view_of_a_bag_equals_its_tape(
    case: Case, databases: Databases, oracle_dsn: str
) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


@given(case=cases(building=True))
def test_every_view_that_is_built_beside_equals_its_sql(
    case: Case, databases: Databases, oracle_dsn: str
) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


@pytest.mark.parametrize("kind", BUILDERS)
def test_each_construct_built_beside(kind: str, databases: Databases, oracle_dsn: str) -> None:
    @settings(max_examples=8)
    @given(case=cases(kinds=(kind,), maximum=2, depth=0, ticks=5, building=True))
    def check(case: Case) -> None:
        with databases.fresh() as dsn:
            run(case, dsn, oracle_dsn)

    check()


@given(case=act_cases(building=True))
def test_every_on_act_view_that_is_built_beside_equals_its_tape(
    case: Case, databases: Databases, oracle_dsn: str
) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)


@given(case=bag_act_cases(building=True))
def test_every_on_act_view_of_a_bag_that_is_built_beside_equals_its_tape(
    case: Case, databases: Databases, oracle_dsn: str
) -> None:
    with databases.fresh() as dsn:
        run(case, dsn, oracle_dsn)
