"""Restricting a plan to keys: how far the restriction goes down, and that it means the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlglot import exp

from millstream.compiler.algebra.expression import column
from millstream.compiler.algebra.operators import Plan
from millstream.compiler.algebra.restrict import restrict
from millstream.compiler.postgres.render import render
from tests.compiler import show
from tests.compiler.catalogue import bound
from tests.compiler.golden import Case, each_case, read
from tests.databases import Databases
from tests.engine.stored import fill

HERE = Path(__file__).parent


def restricted(given: str) -> tuple[Plan, Plan, str]:
    """A case is `column, column: query`; the plan as bound, restricted to values of `k`, and the condition on its result."""
    names, _, sql = given.partition(":")
    plan, outputs, _ = bound(sql)
    by_name = dict(outputs)
    wanted = [name.strip() for name in names.split(",")]
    keys: dict[str, exp.Expression] = {by_name[name].name: column(name, "k") for name in wanted}
    condition = " and ".join(f'"{by_name[name].name}" = k."{name}"' for name in wanted)
    return plan, restrict(plan, keys), condition


@each_case(HERE / "restrict.golden")
def test_where_the_restriction_goes(case: Case) -> None:
    case.check(show.tree(restricted(case.given)[1]))


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[psycopg.Connection]:
    with databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
        yield connection


@each_case(HERE / "restrict.golden")
def test_a_restricted_plan_gives_the_same_rows(case: Case, filled: psycopg.Connection) -> None:
    """σ(key = value)(plan), computed before and after pushing down, for every key of the plan's result."""
    plan, pushed, condition = restricted(case.given)
    names = case.given.partition(":")[0].split(",")
    by_name = dict(bound(case.given.partition(":")[2])[1])
    listed = ", ".join(f'"{by_name[name.strip()].name}" as "{name.strip()}"' for name in names)
    keys = f"(select distinct {listed} from ({render(plan)}) as r)"
    whole = f"select k.*, q.* from {keys} as k cross join lateral (select * from ({render(plan)}) as p where {condition}) as q"
    parts = f"select k.*, q.* from {keys} as k cross join lateral ({render(pushed)}) as q"
    assert filled.execute(f"select count(*) > 0 from ({whole}) as s".encode()).fetchone() == (True,), (
        "no rows: tells nothing"
    )
    for one, other in ((whole, parts), (parts, whole)):
        difference = filled.execute(f"({one}) except all ({other})".encode()).fetchall()
        assert difference == []


def test_every_operator_is_restricted_by_a_case() -> None:
    text = " ".join(case.expected for case in read(HERE / "restrict.golden"))
    for operator in (
        "inner join",
        "left join",
        "semi join",
        "anti join",
        "aggregate",
        "window",
        "union all",
        "unnest",
        "time filter",
    ):
        assert operator in text
