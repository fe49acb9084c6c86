"""Names: of which schema, in which letters, how long, and called like the engine's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.compiler.postgres.names import quote
from millstream.engine import deploy
from millstream.errors import MillstreamError, Refused
from tests.engine.engine import Engine

STAFF = "create table {}.staff (id integer primary key, grade varchar)"


@pytest.fixture
def branches(engine: Engine) -> Engine:
    """The staff of two branches: one name in two schemas."""
    engine.deploy_all(STAFF.format("north"), STAFF.format("south"))
    engine.write(
        "insert into north.staff values (1, 'a'), (2, 'b'), (3, 'a')",
        "insert into south.staff values (2, 'b'), (3, 'c')",
    )
    return engine


# ---- schemas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "before", "after"),
    [
        (
            "select north.staff.id from north.staff where exists"
            " (select 1 from south.staff where south.staff.id = north.staff.id)",
            [(2,), (3,)],
            [(1,), (3,)],
        ),
        (
            "select north.staff.id from north.staff where north.staff.id not in (select south.staff.id from south.staff)",
            [(1,)],
            [(2,)],
        ),
        (
            "select north.staff.id, (select max(south.staff.grade) from south.staff"
            " where south.staff.id = north.staff.id) as grade from north.staff",
            [(1, None), (2, "b"), (3, "c")],
            [(1, "z"), (2, None), (3, "c")],
        ),
        (
            "select north.staff.id, south.staff.grade from north.staff left join south.staff"
            " on south.staff.id = north.staff.id and south.staff.grade > north.staff.grade",
            [(1, None), (2, None), (3, "c")],
            [(1, "z"), (2, None), (3, "c")],
        ),
        (
            "select north.staff.id, l.n from north.staff cross join lateral (select count(*) as n from south.staff"
            " where south.staff.grade = north.staff.grade) as l",
            [(1, 0), (2, 1), (3, 0)],
            [(1, 0), (2, 0), (3, 0)],
        ),
        (
            "select north.staff.grade, count(*) as n from north.staff, south.staff"
            " where north.staff.id = south.staff.id group by north.staff.grade having min(south.staff.id) > 0",
            [("a", 1), ("b", 1)],
            [("a", 2)],
        ),
    ],
)
def test_a_column_is_of_the_schema_that_it_names(
    branches: Engine, query: str, before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> None:
    branches.deploy(f"create materialized view v as {query}")
    branches.deploy(f"create view plain as {query}")
    assert branches.all("v") == branches.all("plain") == before
    branches.write("update south.staff set id = 1, grade = 'z' where id = 2")
    assert branches.all("v") == branches.all("plain") == after


def test_a_process_time_join_names_a_schema(branches: Engine) -> None:
    branches.deploy(
        "create materialized view v as select north.staff.id, south.staff.grade from north.staff"
        " join south.staff for system_time as of proctime() on north.staff.id = south.staff.id",
        portable=True,
    )
    assert branches.all("v") == [(2, "b"), (3, "c")]


def test_views_of_one_name_in_two_schemas_are_two(branches: Engine) -> None:
    branches.deploy_all(
        "create materialized view north.sizes as select count(*) as n from north.staff",
        "create materialized view south.sizes as select count(*) as n from south.staff",
        "create materialized view pairs as select north.sizes.n, south.sizes.n as m from north.sizes, south.sizes"
        " where north.sizes.n = south.sizes.n + 1",
        "create view south.shown as select n from south.sizes",
    )
    assert branches.all("pairs") == [(3, 2)]
    branches.write("insert into south.staff values (7, 'd')", "insert into north.staff values (7, 'd')")
    assert branches.all("pairs") == [(4, 3)]
    with pytest.raises(MillstreamError, match="sizes is read by pairs, shown"):
        branches.drop("sizes", schema="south")
    with pytest.raises(MillstreamError, match="sizes is read by pairs\n"):
        branches.drop("sizes", schema="north")


def test_functions_of_one_name_in_two_schemas_are_two(branches: Engine, tmp_path: Path) -> None:
    for schema, result in (("north", 1), ("south", 2)):
        code = f"def rate(id):\n    return {result} * id\n"
        branches.deploy_python(
            tmp_path / schema / "code.py", "rate", "id integer", "integer", code, schema=schema
        )
    branches.deploy(
        "create materialized view v as select id, north.rate(id) as a, south.rate(id) as b from north.staff"
    )
    assert branches.all("v") == [(1, 1, 2), (2, 2, 4), (3, 3, 6)]
    branches.write(
        "update north.staff set grade = 'q' where id = 1", "insert into north.staff values (4, 'd')"
    )
    assert branches.all("v") == [(1, 1, 2), (2, 2, 4), (3, 3, 6), (4, 4, 8)]


def test_a_cte_of_a_relation_s_name_reads_nothing(branches: Engine) -> None:
    branches.deploy_all(
        "create table lists (id integer primary key)",
        "create view v as with lists as (select id from north.staff) select id from lists",
        "create view w as select id from lists where exists (with lists as (select 1) select from lists)",
    )
    with pytest.raises(MillstreamError, match="lists is read by w\n"):
        branches.drop("lists")


def test_a_view_over_time_windows_reads_its_relation(engine: Engine) -> None:
    engine.deploy_all(
        "create table calls (id integer primary key, at timestamp)",
        "create view v as select window_start from tumble(calls, at, interval '1 hour')",
    )
    with pytest.raises(MillstreamError, match="calls is read by v\n"):
        engine.drop("calls")


# ---- letter case -----------------------------------------------------------------------------------------------------


def test_names_without_quotes_are_in_small_letters_everywhere(engine: Engine) -> None:
    engine.deploy(
        'create table Calls (CallId integer, "CallId" varchar, CalledAt timestamp, Minutes integer,'
        " Cost integer as (MINUTES * 2), primary key (CALLID)) on conflict do update full with version column (Minutes)".replace(
            "Calls", "calls", 1
        )
    )
    assert [column for column, _, _ in detail(engine, "calls")] == [
        "callid",
        "CallId",
        "calledat",
        "minutes",
        "cost",
    ]
    engine.write("insert into Calls (CallId, CALLEDAT, minutes) values (1, '2030-01-01 00:10', 3)")
    engine.write("insert into calls (callid, minutes) values (1, 2)")  # older, by the version
    engine.deploy_all(
        "create materialized view long as with Lasting (Id) as (select CallId, Minutes from CALLS where Cost > 5)"
        ' select L.ID as Id, l.minutes as "Minutes" from lasting as L',
        "create materialized view hours as select Window_Start as Since, COUNT(*) as N"
        " from TUMBLE(Calls, CalledAt, INTERVAL '1 HOUR') group by WINDOW_START",
        "create materialized view ranked as select Id, sum(Id) over W as S from Long as X"
        " join (select callid as ID from calls) as Y using (Id) window w as (partition by x.ID order by X.id)",
        'create view plain as select ID, "Minutes" from Long order by ID',
    )
    assert names(engine, "long") == ["id", "Minutes"]
    assert engine.all("long") == engine.all("plain") == [(1, 3)]
    assert engine.rows("select n from hours") == [(1,)]
    assert engine.all("ranked") == [(1, 1)]


def test_a_sink_reads_and_writes_what_its_names_say(engine: Engine) -> None:
    for name in ("Sales", "sales"):
        deploy.deploy_table(engine.owner, name, "create table t (k integer primary key)")
    deploy.deploy_sink(engine.owner, "one", 'create sink one into SALES from "Sales"')
    engine.write('insert into "Sales" values (1)', "insert into sales values (2)")
    engine.tick()
    assert engine.all("sales") == [(1,), (2,)]
    assert engine.all('"Sales"') == [(1,)]


def test_functions_are_called_in_any_letters(engine: Engine, tmp_path: Path) -> None:
    engine.deploy_python(
        tmp_path / "code.py", "twice", "k integer", "integer", "def twice(k):\n    return 2 * k\n"
    )
    from millstream.engine.deploy import deploy_sql_function

    deploy_sql_function(
        engine.owner, "create function NextOne(K int) returns int language sql as $$ select k + 1 $$"
    )
    engine.deploy_all(
        "create table t (k integer primary key)",
        "create materialized view v as select Twice(K) as a, NEXTONE(k) as b, nextOne(k) from T",
    )
    engine.write("insert into t values (1)")
    assert names(engine, "v") == ["a", "b", "nextone"]
    assert engine.all("v") == [(2, 2, 2)]


def test_an_index_is_on_a_column_in_small_letters_unless_quoted(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    view = 'create materialized view v as select k as "Key", k from t'
    engine.deploy(view, indexes=[["K"], ['"Key"']])
    with pytest.raises(Refused, match=r"MS038.*index on v \(Key\)") as caught:
        engine.deploy(view, indexes=[["Key"]])
    assert 'hint: did you mean "Key"?' in str(caught.value)


def test_a_view_whose_name_begins_as_what_is_stored_of_a_table(engine: Engine) -> None:
    """`t__queue` and `public.t__queue` would be mistaken for parts of the tables t and public.t."""
    engine.deploy("create table t (k integer primary key)")
    deploy.deploy_table(engine.owner, "public.t", "create table t (k integer primary key)", schema="public")
    for _ in range(2):
        deploy.deploy_view(engine.owner, "t__queue", "select k from t", force=True)
    engine.write("insert into t values (1)")
    assert engine.all("t__queue") == [(1,)]


# ---- length ----------------------------------------------------------------------------------------------------------


def test_relations_with_names_of_63_bytes_are_told_apart(engine: Engine) -> None:
    engine.deploy("create table t (k integer primary key)")
    engine.write("insert into t values (1)")
    for last in "ab":
        name = "ü" * 31 + last
        deploy.deploy_view(engine.owner, name, f"select k, '{last}'::text as letter from t")
        deploy.deploy_view(
            engine.owner,
            f"{last}" * 63,
            f"select letter, count(*) as n from {quote(name)} group by letter having count(*) > 0",
            indexes=[["letter", "n"], ["n", "letter"]],
        )
    engine.write("insert into t values (2)")
    for last in "ab":
        assert engine.all(quote("ü" * 31 + last)) == [(1, last), (2, last)]
        assert engine.all(last * 63) == [(last, 2)]


def test_columns_with_names_of_63_bytes_are_told_apart(engine: Engine) -> None:
    one, two = (quote("ж" * 31 + last) for last in "ab")
    engine.deploy(f"create table t (k integer primary key, {one} integer, {two} integer)")
    engine.deploy_all(
        f"create materialized view v as select {one}, sum({two}) as {two} from t group by {one}",
        f"create materialized view w as select a.{one}, b.{two} from v as a join v as b on a.{two} = b.{one}",
    )
    engine.write("insert into t values (1, 5, 2), (2, 5, 3), (3, 6, 5)")
    assert engine.all("v") == [(5, 5), (6, 5)]
    assert engine.all("w") == [(5, 5), (6, 5)]


@pytest.mark.parametrize("name", ["é" * 32, "x" * 64, "long_" * 13])
def test_a_longer_name_of_a_relation_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(Refused, match=rf"MS007.*{name}: \d+ bytes"):
        deploy.deploy_view(engine.owner, name, "select 1 as one")
    with pytest.raises(Refused, match=rf"MS007.*{name}: \d+ bytes"):
        deploy.deploy_table(engine.owner, name, "create table t (k integer primary key)")


# ---- like the engine's ------------------------------------------------------------------------------------------------


def test_relations_may_be_called_as_what_is_stored_of_others(engine: Engine) -> None:
    """The queue of a table, a version of a view, a part of one, a table of another schema."""
    for name in ("orders", "orders__queue", "totals@1", "totals@2__1", "shop.prices", "shop.prices@1"):
        deploy.deploy_table(engine.owner, name, "create table t (k integer primary key, v integer)")
    total = "select v, count(*) as n from {} group by v having count(*) > {}"
    for least in (1, 0):
        deploy.deploy_view(engine.owner, "totals", total.format("orders", least))
    deploy.deploy_view(engine.owner, "prices", total.format('"shop.prices"', 0), schema="shop")
    deploy.deploy_table(engine.owner, "costs", "create table t (k integer primary key)", schema="shop")
    for number, name in enumerate(("orders", "orders__queue", "totals@1", "totals@2__1", "shop.prices"), 1):
        engine.execute(f"insert into {quote(name)} values ({number}, {number})")
    engine.tick()
    assert engine.all("totals") == [(1, 1)]
    assert engine.all("shop.prices") == [(5, 1)]
    assert engine.all('"orders__queue"') == [(2, 2)]
    assert engine.all('"totals@1"') == [(3, 3)]
    assert engine.all('"shop.prices@1"') == []


LIKE_THE_ENGINE = (
    [
        "_w",
        "_h",
        "_kh",
        "_visible",
        "_at",
        "_r",
        "_k1",
        "_b0",
        "_c1",
        "_s1",
        "_kind",
        "_new",
        "w",
        "n",
        "k1",
    ],
    ["key_3", "value_2", "count_1", "order_4", "x_12", "s", "t", "q", "m", "k", "d", "l", "r", "u", "e", "g"],
    [
        "order",
        "user",
        "select",
        "table",
        "a b",
        'a"b',
        "100%",
        "$body$x",
        "Ünïcode",
        "S",
        "a.b",
        "new",
        "old",
        "tag",
        "oid",
    ],
)


@pytest.mark.parametrize("columns", LIKE_THE_ENGINE, ids=["hidden", "numbered", "reserved"])
def test_columns_may_be_called_as_the_engine_calls_its_own(engine: Engine, columns: list[str]) -> None:
    listed = ", ".join(f"{quote(name)} integer" for name in columns)
    engine.deploy(f"create table t (id integer primary key, {listed})")
    views = []
    for number, name in enumerate(columns):
        x = quote(name)
        for kind, text in {
            "plain": f"select id, {x} from t",
            "groups": f"select {x}, count(*) as counted, sum(id) as total, avg({x}) as mean from t group by {x}",
            "renamed": f"select sum(id) as {x} from t group by {x} having count(*) > 1",
            "top": f"select id, {x} from (select id, {x}, row_number() over (partition by {x} order by id) as rn from t)"
            f" as {x} where rn <= 1",
            "joined": f"select a.id, {x}.{x} from t as a left join t as {x} on a.{x} = {x}.id",
            "asked": f"with {x} as (select {x}, id from t) select {x}, (select count(*) from t where t.id = {x}.{x}) as counted"
            f" from {x}",
        }.items():
            views.append((f"{kind}_{number}", text))
            deploy.deploy_view(engine.owner, views[-1][0], text)
    for number in range(5):
        values = ", ".join(str((number + place) % 3) for place in range(len(columns)))
        engine.execute(f"insert into t values ({number}, {values})")
    engine.tick()
    engine.write("delete from t where id = 3", f"update t set {quote(columns[0])} = 2 where id = 1")
    with engine.owner.cursor() as cursor:
        for name, text in views:
            expected = cursor.execute(text.encode()).fetchall()
            assert sorted(map(str, engine.rows(f"select * from {name}"))) == sorted(map(str, expected)), text


LOOK_HIDDEN = ("_kind", "kind_", "_image", "_shown", "_b0", "_new", "_r", "_v1", "rows$x")


@pytest.mark.parametrize("type_", ["numeric", "varchar", "double precision"])
def test_no_column_is_lost_because_it_looks_hidden(engine: Engine, tmp_path: Path, type_: str) -> None:
    """Whatever rule keeps a view, and whatever its keys are compared by."""
    listed = ", ".join(f"{quote(name)} {type_}" for name in LOOK_HIDDEN)
    engine.deploy(f"create table t (id integer primary key, {listed})")
    same = "def same(value):\n    return value\n"
    engine.deploy_python(tmp_path / "code.py", "same", f"value {type_}", type_, same)
    every = ", ".join(map(quote, LOOK_HIDDEN))
    renamed = ", ".join(f'{quote(name)} as "{place}$"' for place, name in enumerate(LOOK_HIDDEN))
    back = ", ".join(f'"{place}$" as {quote(name)}' for place, name in enumerate(LOOK_HIDDEN))
    inner = ", ".join(f'"{place}$"' for place, _ in enumerate(LOOK_HIDDEN))
    views = {
        "groups": f"select {every}, count(*) as n, min(id) as least from t group by {every}",
        "recomputed": f"select {every}, array_agg(id order by id) as ids from t group by {every}",
        "united": f"select {every} from t union select {every} from t as u",
        "top": f"select {every}, id from t order by {every}, id limit 2",
        "suffixed": f'select {back}, count(*) as n from (select {renamed}, id as "h$" from t) as s'
        f' where "h$" > 0 group by {inner}',
        "called": f'select id, same("_kind") as "_kind", {every.partition(", ")[2]} from t',
    }
    for name, text in views.items():
        deploy.deploy_view(engine.owner, name, text)
    for number in range(1, 6):
        engine.execute(
            f"insert into t values ({number}, {', '.join([repr(str(number % 3))] * len(LOOK_HIDDEN))})"
        )
    engine.tick()
    engine.write("delete from t where id = 3", "update t set \"_kind\" = '7', \"_b0\" = '1' where id = 5")
    for name, text in views.items():
        expected = engine.rows(text.replace("same(", "("))
        assert sorted(map(str, engine.rows(f"select * from {name}"))) == sorted(map(str, expected)), text


@pytest.mark.parametrize("name", ["h$", "w$", "k1$", "kind$"])
def test_a_column_of_a_view_that_ends_as_the_engine_s_do_is_refused(engine: Engine, name: str) -> None:
    engine.deploy("create table t (id integer primary key)")
    with pytest.raises(Refused, match=r"MS008"):
        deploy.deploy_view(engine.owner, "v", f"select id as {quote(name)} from t")


def test_names_and_constants_may_hold_what_quotes_the_engine_s_functions(engine: Engine) -> None:
    deploy.deploy_table(engine.owner, "a$body$b", "create table t (k integer primary key)")
    engine.deploy("create materialized view v as select k, '$body$ $take$' as tag from \"a$body$b\"")
    engine.write('insert into "a$body$b" values (1)')
    assert engine.all("v") == [(1, "$body$ $take$")]


def detail(engine: Engine, state: str) -> list[tuple[str, str, bool]]:
    """What the catalogue says of the columns of something stored."""
    columns = engine.value("select detail -> 'columns' from millstream.state where name = %s", [state])
    return [(name, type_, nullable) for name, type_, nullable in columns]


def names(engine: Engine, relation: str) -> list[str]:
    """The columns of a relation as a client sees them."""
    return [column.name for column in engine.execute(f"select * from {relation}").description or ()]
