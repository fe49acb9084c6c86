"""Operations that fail on a value give NULL one by one, and everything else gives what it gave."""

from __future__ import annotations

import psycopg
import pytest

from millstream.compiler.compile import compile_view
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.catalog.store import load
from millstream.engine.state.describe import describer
from tests.engine.engine import Engine

T = "create table t (k integer primary key, a integer, b bigint, x double precision, n numeric, s varchar, at timestamptz, i interval, j jsonb, l integer[])"
GOOD = "(1, 6, 3, 0.5, 1.50, 'ab', '2030-01-31 00:00+00', '1 mon', '{\"w\": [1]}', '{1,2}')"
BAD = "(2, 2147483647, 9223372036854775807, 1e308, 1e100, 'x%', '294276-12-31 23:00+00', '178000000 years', '{\"w\": 1}', '{3}')"

# Each over the good row and the bad one: what the bad one gives.
FAILS = {
    "a + 1": None,
    "a * 2 + k": None,
    "coalesce(a * 2, 7)": 7,
    "-b - 2": None,
    "b * b": None,
    "x * x": None,
    "case when k = 1 then 1 else a + a end": None,
    "abs(a) + 1 > 0": None,
    "at + i": None,
    "extract(year from at + i)": None,
    "i * 2": None,
    "s like s || '\\'": None,
    "repeat(s, a)": None,
    "cast(n as integer)": None,
    "cast(n * n as integer) + 1": None,
    "jsonb_array_length(j -> 'w')": None,
    "substr(s, 1, 1 - k)": None,
    "array[a + 1, k]": [None, 2],
    "l[1] + a": None,
}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.deploy_all(T, T.replace("table t", "table u"))
    engine.write(f"insert into t values {GOOD}, {BAD}", f"insert into u values {GOOD}, {BAD}")
    return engine


def node_of(engine: Engine, query: str) -> Node:
    """The one node of a model."""
    catalogue = load(engine.owner)
    (node,) = compile_view(Resolver(catalogue), "v@1", query, None).nodes
    return node


def rows(engine: Engine, sql: NodeSql) -> list[tuple[object, ...]]:
    return engine.owner.execute(f"select k, v from ({sql.result()}) as s order by 1".encode()).fetchall()


def tried(engine: Engine, query: str) -> tuple[NodeSql, Tries]:
    """A model's node in its careful form, its functions made."""
    tries = Tries("try", "v@1")
    sql = node_sql(node_of(engine, query), describer(engine.owner), tries)
    sql.result()
    engine.owner.execute("discard temporary")
    for statement in tries.statements():
        engine.owner.execute(statement.encode())
    return sql, tries


@pytest.mark.parametrize("expression", FAILS)
def test_an_operation_that_fails_is_null_and_what_stands_around_it_goes_on(
    expression: str, filled: Engine
) -> None:
    query = f"select k, {expression} as v from t"
    node, _ = tried(filled, query)
    fast = node_sql(node_of(filled, f"{query} where k = 1"), describer(filled.owner))
    good = rows(filled, fast)
    with pytest.raises(psycopg.Error):
        filled.owner.execute(f"select {expression} from t where k = 2".encode())
    assert rows(filled, node) == [*good, (2, FAILS[expression])]


def test_what_cannot_fail_is_left_alone(filled: Engine) -> None:
    query = "select k, coalesce(s, 'x') as v from t where a > 1 and s like 'a%' and x in (0.5, 1) and j ->> 'w' is not null"
    _, tries = tried(filled, query)
    assert tries.statements() == []


def test_a_failure_is_noted_with_what_it_read(filled: Engine) -> None:
    node, _ = tried(filled, "select k, (a + 1) / k as v from t")
    filled.owner.execute("set millstream.recording = 'on'")
    assert rows(filled, node) == [(1, 7), (2, None)]
    noted = filled.rows("select state, expression, message, inputs from millstream.evaluation_failure")
    assert noted == [("v@1", "a + 1", "integer out of range", {"a": "2147483647"})]


OPERATORS = {
    "select k, count(a * 2) as v from t group by k": [(1, 1), (2, 0)],
    "select k, sum(a * 2) filter (where a * 2 > 0) as v from t group by k": [(1, 12), (2, None)],
    "select k, sum(x * 1.5) as v from t group by k": [(1, 0.75), (2, 1.5e308)],
    "select k, sum(x) + sum(x) as v from t group by k": [(1, 1.0), (2, None)],
    "select k, max(a * 2) as v from t group by k": [(1, 12), (2, None)],
    "select l.k, r.k as v from t as l join t as r on l.a * 2 = r.a * 2": [(1, 1)],
    "select l.k, r.k as v from t as l left join u as r on r.a = l.a * 2 - l.a": [(1, 1), (2, None)],
    "select l.k, l.k as v from t as l where exists (select 1 from u as r where r.a * 2 = l.a * 2)": [(1, 1)],
    "select k, e as v from t cross join unnest(array[a * 2, 1]) as u(e)": [
        (1, 12),
        (1, 1),
        (2, None),
        (2, 1),
    ],
    "select k, e as v from t cross join generate_series(k, a * 2 - 11) as e": [(1, 1)],
    "select k, m[1] as v from t cross join regexp_matches('ab', case k when 1 then '(b)' else '(' end) as m": [
        (1, "b")
    ],
    "select k, generate_series(1, k) + a as v from t": [(1, 7), (2, None), (2, None)],
    "select k, e #>> '{}' as v from t, jsonb_array_elements(case when a * 2 > 0 or k = 2 then j -> 'w' end) as e": [
        (1, "1")
    ],
    "select k, l.v from t cross join lateral (values (a * 2)) as l(v)": [(1, 12), (2, None)],
    "select k, l.v from t cross join lateral (select a * 2 as v where a * 2 > 0 or k = 2) as l": [
        (1, 12),
        (2, None),
    ],
    "select k, row_number() over (order by a * 2) as v from t": [(1, 1), (2, 2)],
    "select k, sum(a * 2) over (order by k) as v from t": [(1, 12), (2, 12)],
    "select k, v from (select k, a as v from t) as s where v * 2 > 0 or k = 2": [(1, 6), (2, 2147483647)],
    "select k, a as v from t order by a * 2, k limit 1": [(1, 6)],
}


@pytest.mark.parametrize("query", OPERATORS)
def test_every_operator_is_tried(query: str, filled: Engine) -> None:
    node, tries = tried(filled, query)
    assert tries.statements()
    assert rows(filled, node) == OPERATORS[query]


def test_a_sum_beyond_its_type_is_null(filled: Engine) -> None:
    filled.write(
        "insert into t (k, b, x) values (3, 9223372036854775807, 1e308), (4, 9223372036854775807, 1e308)"
    )
    node, _ = tried(filled, "select k % 1 as k, sum(cast(b as bigint)) as v from t group by k % 1")
    assert rows(filled, node)[0][1] is not None
    node, _ = tried(filled, "select k % 1 as k, sum(x) as v from t group by k % 1")
    assert rows(filled, node) == [(0, None)]
