"""Whose rule a statement follows: the table's for a plain INSERT or COPY, its own where it has ON CONFLICT or is a MERGE."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.engine.engine import Engine

FIRST_WINS = "create table t (k integer primary key, v varchar, n integer default 0) on conflict do nothing"
LAST_WINS = FIRST_WINS.replace("do nothing", "do update full")
OWN = "insert into t (k, v) values (1, 'new') on conflict (k) do update set n = t.n + 1"


@pytest.fixture(params=[FIRST_WINS, LAST_WINS], ids=["first wins", "last wins"])
def shop(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Engine]:
    engine.deploy(request.param)
    engine.execute("insert into t values (1, 'old', 5)")
    yield engine
    engine.deploy("create materialized view copied as select k, v, n from t")
    engine.tick()
    assert engine.all("copied") == engine.all("t")


OWN_RULE = {
    "as it is": OWN,
    "with comments": "/* a note */ insert into t (k, v) -- on\nvalues (1, 'new') on\n conflict (k) do update set n = t.n + 1",
    "in a block": f"do $$ begin {OWN}; end $$",
    "in a block, put together": "do $$ begin execute 'insert into t (k, v) values (1, ''new'') on con' || 'flict (k) do update set n = t.n + 1'; end $$",
    "in a common table": f"with a as ({OWN} returning k) select * from a",
    "as a merge": "merge into t using (values (1)) as w (k) on t.k = w.k when matched then update set n = t.n + 1"
    " when not matched then insert (k) values (w.k)",
}


@pytest.mark.parametrize("statement", OWN_RULE.values(), ids=OWN_RULE)
def test_a_statement_that_says_what_it_wants_gets_it(statement: str, shop: Engine) -> None:
    shop.execute(statement)
    assert shop.all("t") == [(1, "old", 6)]


def test_prepared_statements_are_known_by_their_text(shop: Engine) -> None:
    shop.execute(f"prepare own as {OWN}")
    shop.execute('prepare "Plain" (varchar) as insert into t (k, v) values (1, $1)')
    shop.execute("execute own")
    assert shop.all("t") == [(1, "old", 6)]
    shop.execute("execute \"Plain\" ('on conflict')")
    assert shop.value("select v from t") in {"old", "on conflict"}
    with shop.client.cursor() as cursor:
        for _ in range(3):
            cursor.execute(
                "insert into t (k, v) values (%s, 'x') on conflict (k) do update set n = 0", [1], prepare=True
            )
    assert shop.value("select n from t") == 0


PLAIN = {
    "a literal": "insert into t values (1, 'on conflict do nothing')",
    "a comment": "insert into t values (1, 'x') -- on conflict do nothing",
    "an alias": "insert into t as \"on conflict\" values (1, 'x')",
    "a dollar quote": "insert into t values (1, $q$ merge into on conflict $q$)",
    "a block": "do $$ begin insert into t values (1, 'x'); end $$",
    "a query": "insert into t select 1, 'x' from generate_series(1, 2)",
}


@pytest.mark.parametrize("statement", PLAIN.values(), ids=PLAIN)
def test_words_that_only_look_like_it_change_nothing(statement: str, engine: Engine) -> None:
    engine.deploy_all(FIRST_WINS, LAST_WINS.replace("table t", "table u"))
    engine.execute("insert into t values (1, 'old', 5)")
    engine.execute("insert into u values (1, 'old', 5)")
    engine.execute(statement)
    engine.execute(statement.replace("into t", "into u"))
    assert engine.all("t") == [(1, "old", 5)]
    ((_, value, number),) = engine.all("u")
    assert (value, number) != ("old", 5)


def test_what_is_inserted_comes_back(shop: Engine) -> None:
    shop.execute("delete from t")
    assert shop.rows("insert into t (k, v) values (1, 'a'), (2, 'b') returning k, v, n") == [
        (1, "a", 0),
        (2, "b", 0),
    ]
    with shop.client.transaction(force_rollback=True):
        assert shop.rows("insert into t (k, v) values (3, 'c') returning n") == [(0,)]
    assert shop.rows("update t set v = 'd' where k = 1 returning *") == [(1, "d", 0)]
    assert shop.rows("delete from t where k = 2 returning old.v") == [("b",)]


def test_truncate_takes_every_row_from_the_views(shop: Engine) -> None:
    shop.deploy("create materialized view counted as select count(*) as n from t")
    shop.tick()
    shop.execute("insert into t values (2, 'x')")
    with shop.client.transaction(force_rollback=True):
        shop.execute("truncate t")
        assert shop.all("t") == []
    shop.execute("truncate t")
    shop.execute("insert into t values (3, 'y')")
    shop.tick()
    assert (shop.all("t"), shop.all("counted")) == ([(3, "y", 0)], [(1,)])


def test_a_transaction_locks_so_many_keys_and_no_more(shop: Engine) -> None:
    most = min(128, 2 * int(shop.value("show max_locks_per_transaction")))
    with shop.client.transaction():
        for start in range(0, 3 * most, most):
            shop.execute(
                f"insert into t (k) select n from generate_series({start + 10}, {start + most + 9}) as n"
            )
        held = shop.value(
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        )
    assert held == most
    assert shop.value("select count(*) from t") == 3 * most + 1


@pytest.mark.parametrize("given", ["abc", "-1", "1000000", "99999999999999999999", ""])
def test_a_client_that_sets_the_number_of_locks_gets_no_more_of_them(given: str, shop: Engine) -> None:
    with shop.client.transaction():
        shop.execute(f"set local millstream.locks = '{given}'")
        shop.execute("insert into t (k) select n from generate_series(10, 999) as n")
        held = shop.value(
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        )
    assert held <= min(128, 2 * int(shop.value("show max_locks_per_transaction")))
    assert shop.value("select count(*) from t") == 991


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("replacing", "yes"),
        ("settles", "itself"),
        ("recording", "on"),
        ("failures", "yes"),
        ("now", "2100-01-01"),
        ("locks", "0"),
    ],
)
def test_no_variable_that_a_client_sets_hides_a_statement(variable: str, value: str, shop: Engine) -> None:
    """The fixture compares what the views show with what the table holds."""
    with psycopg.connect(shop.dsn, autocommit=True) as client:
        client.execute("select set_config(%s, %s, false)", [f"millstream.{variable}", value])
        for statement in (
            "insert into t values (2, 'x', 1), (3, 'x', 1)",
            "insert into t values (1, 'x', 1)",
            "update t set n = n + 1 where k = 2",
            "delete from t where k = 2",
        ):
            client.execute(statement.encode())
            shop.tick()
            assert shop.value("select count(*) from millstream_data.t__queue") == 0, statement
            assert shop.rows("select k, v, n from millstream_data.t order by k") == shop.all("t"), statement
        client.execute("truncate t")


def test_a_failed_statement_leaves_no_trace(shop: Engine) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        shop.execute("insert into t select 1, 'x' union all select 'two'::text::integer, 'y'")
    with pytest.raises(psycopg.errors.UniqueViolation), shop.client.transaction():
        shop.execute("insert into t values (2, 'x')")
        shop.execute("update t set k = 3")
    assert shop.all("t") == [(1, "old", 5)]


@pytest.mark.parametrize("rule", ["do nothing", "do update full", "do update if not null"])
def test_rows_are_numbered_where_the_table_says_so(rule: str, engine: Engine) -> None:
    engine.deploy(
        "create table t (k bigint generated by default as identity primary key, "
        f"place integer generated always as identity (start with 10 increment by 10), v varchar) on conflict {rule}"
    )
    engine.deploy("create materialized view copied as select k, place, v from t")
    made = engine.client.execute("insert into t (v) values ('a'), ('b') returning k, place").fetchall()
    assert made == [(1, 10), (2, 20)]
    engine.execute("insert into t (k, v) values (7, 'c')")
    engine.execute("insert into t (v) values ('d') on conflict (k) do update set v = 'never'")
    with pytest.raises(psycopg.errors.GeneratedAlways):
        engine.execute("insert into t (place, v) values (1, 'e')")
    engine.execute("insert into t (k, v) values (1, 'again')")
    engine.tick()
    first = (1, 10, "a") if rule == "do nothing" else (1, 50, "again")
    assert engine.all("copied") == [first, (2, 20, "b"), (3, 40, "d"), (7, 30, "c")]


def test_a_sink_leaves_the_numbers_to_its_table(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (k integer primary key, v varchar)",
        "create table log (n bigint generated always as identity primary key, v varchar)",
        "create materialized view seen as select v from t",
        "create sink kept into log from seen",
    )
    engine.write("insert into t values (1, 'a')")
    engine.write("insert into t values (2, 'b')")
    assert engine.all("log") == [(1, "a"), (2, "b")]
