"""Rows have no order: a view that is let through is the same, whatever order PostgreSQL adds them in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import SqlFunction, ViewText
from millstream.compiler.portable.rules import unportable
from tests.equivalence.cases import Case, Deploy, Tick, apply, cases
from tests.equivalence.compare import difference
from tests.equivalence.oracles import PostgresOracle
from tests.equivalence.source_model import Row, SourceModel

Rows = list[tuple[Any, ...]]

PATH = "sql/model.sql"
ROWS = [  # of group a and of b, which have the same sum; what it is, the order says
    (group, number, value)
    for group in ("a", "b")
    for number, value in enumerate((0.1, 0.2, 0.3, 0.7, 1.1, 0.1, 3.3))
]
SUMS = (
    "select g, sum(v) as s from t group by g",
    "select g, round(avg(v) * 2) + avg(v) as s from t group by g",
    "select g, s from (select g, n, sum(v) over (partition by g order by v, n rows between unbounded preceding and"
    " unbounded following) as s from t) as w where n = 1",
    "select g, -coalesce(sum(case when n > 0 then v end), 0) as s from t group by g",
)
SHOWN = (
    "select g, s as x from ({sums}) as q",
    "select g, s * 2 / 3 as x from ({sums}) as q where s is not null",
    "select max(s) as x, count(s) as n from ({sums}) as q",
    "select a.g, a.s + b.s as x from ({sums}) as a join ({sums}) as b on a.g = b.g",
    "select g, s as x from ({sums}) as q union all select g, v from t",
)
DECIDING = (
    "select g from (select g, row_number() over (order by s desc, g) as rn from ({sums}) as q) as r where rn = 1",
    "select g from ({sums}) as q order by s, g limit 1",
    "select array_agg(g order by s desc, g) as list from ({sums}) as q",
    "select count(*) as n from (select distinct s from ({sums}) as q) as d",
    "select count(distinct s) as n from ({sums}) as q",
    "select count(*) as n from (select s, count(*) as m from ({sums}) as q group by s) as r",
    "select a.g, b.g as h from ({sums}) as a join ({sums}) as b on a.s = b.s",
    "select g, case when s > (select max(s) from ({sums}) as m where g = 'a') then 1 end as c from ({sums}) as q where g = 'b'",
    "select count(*) filter (where s >= 5.8) as n, count(*) filter (where s < -5.8) as m from ({sums}) as q",
    "select count(*) as n from (select s from ({sums}) as q union select s + 0 as s from ({sums}) as p) as u",
)


@dataclass
class Names:
    """What the views of a case may read."""

    relations: dict[str, Relation | ViewText] = field(default_factory=dict)

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        return self.relations.get(name)

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        return None

    def is_python(self, schema: str | None, name: str) -> bool:
        return False

    def known(self) -> list[tuple[str, str]]:
        return [("public", name) for name in self.relations]


def is_decided(sql: str, names: Names, definitions: dict[str, str] | None = None) -> bool:
    """Tell whether a view is refused because a sum of floating-point numbers decides something in it."""
    found = unportable(sql, names, PATH, lambda *_: (), (definitions or {}).get)
    return any(each.diagnostic.code == "MS084" for each in found)


def added(
    oracle: PostgresOracle, views: Sequence[str], tables: dict[str, Iterable[Row]]
) -> Iterator[list[Rows]]:
    """What the views hold where the rows of the tables come in one order, and in others."""
    for number in range(3):
        for name, rows in tables.items():
            oracle.load(name, list(orders(rows))[number])
        yield [oracle.read(view).rows for view in views]


def orders(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The same rows as they are, backwards, and in an order of no reason."""
    found = list(rows)
    yield found
    yield found[::-1]
    yield random.Random(7).sample(found, len(found))


@pytest.fixture(scope="module")
def groups() -> Names:
    columns = (("g", "character varying", False), ("n", "integer", False), ("v", "double precision", True))
    return Names({"t": Relation("t", columns, ("g", "n"))})


@pytest.mark.parametrize("sums", SUMS)
def test_a_sum_may_be_shown(sums: str, groups: Names, oracle_dsn: str) -> None:
    statements = [each.format(sums=sums) for each in SHOWN]
    assert [sql for sql in statements if is_decided(sql, groups)] == []
    first, *others = in_orders(statements, oracle_dsn)
    for other in others:
        for sql, one, two in zip(statements, first, other, strict=True):
            assert difference(one, two) is None, sql


def test_a_sum_decides_nothing(groups: Names, oracle_dsn: str) -> None:
    """Each is refused over every kind of sum, and over one kind at least the order of rows changes what it holds."""
    for deciding in DECIDING:
        statements = [deciding.format(sums=sums) for sums in SUMS]
        assert [sql for sql in statements if not is_decided(sql, groups)] == []
        first, *others = in_orders(statements, oracle_dsn)
        assert any(one != two for other in others for one, two in zip(first, other, strict=True)), deciding


def in_orders(statements: Sequence[str], dsn: str) -> list[list[Rows]]:
    """What statements over table t give for each order of its rows."""
    with PostgresOracle(dsn) as oracle:
        oracle.create_table("create table t (g varchar, n integer, v double precision)")
        names = [f"view{number}" for number in range(len(statements))]
        for name, sql in zip(names, statements, strict=True):
            oracle.create_view(name, sql)
        return list(added(oracle, names, {"t": ROWS}))


@given(case=cases())
def test_generated_views_are_the_same_in_any_order_and_let_through(case: Case, oracle_dsn: str) -> None:
    models = {table.name: SourceModel(table) for table in case.tables}
    for step in case.steps:
        if not isinstance(step, (Deploy, Tick)):
            apply(models[step.table], step)
    names, definitions = Names(), {view.name: view.sql for view in case.views if view.materialized}
    for relation in (*case.tables, *case.views):
        columns = tuple((each.name, each.type, True) for each in relation.columns)
        names.relations[relation.name] = Relation(relation.name, columns, ("k",))
    for view in case.views:
        if not view.materialized:
            names.relations[view.name] = ViewText(view.name, view.sql)
    assert [view.sql for view in case.views if is_decided(view.sql, names, definitions)] == []
    with PostgresOracle(oracle_dsn) as oracle:
        for table in case.tables:
            oracle.create_table(table.mirror_ddl)
        for view in case.views:
            oracle.create_view(view.name, view.batch or view.sql)
        oracle.set_now(max(step.now for step in case.steps if isinstance(step, Tick)))
        held = {name: list(model.rows.values()) for name, model in models.items()}
        first, *others = added(oracle, [view.name for view in case.views], held)
        for other in others:
            for view, one, two in zip(case.views, first, other, strict=True):
                assert difference(one, two) is None, view.sql
