"""Deploying: created, unchanged, replaced; and what stands on a view that changes."""

from __future__ import annotations

import psycopg
import pytest

from millstream.errors import MillstreamError, Refused
from tests.engine.engine import Engine

T = "create table t (k integer primary key, g varchar, v integer)"
V = "create materialized view v as select g, sum(v) as s from t group by g"
ON_V = "create materialized view top as select max(s) as best from v"
ROWS = "insert into t values (1, 'a', 10), (2, 'a', 5), (3, 'b', 1)"


def test_a_view_is_created_over_what_is_there(engine: Engine) -> None:
    assert engine.deploy(T).action == "created"
    engine.write(ROWS)
    deployed = engine.deploy(V)
    assert (deployed.name, deployed.action, deployed.rebuilt) == ("v", "created", ())
    assert deployed.detail == "incremental (invertible; 2 rows)"
    assert engine.all("v") == [("a", 15), ("b", 1)]


def test_an_unchanged_definition_is_left_alone(engine: Engine) -> None:
    engine.deploy_all(T, V)
    epoch = engine.value("select epoch from millstream.clock")
    assert engine.deploy(T).action == "unchanged"
    assert engine.deploy(V.replace(" from", "\n    from")).action == "unchanged"
    assert engine.states() == ["t", "v@1"]
    assert engine.value("select epoch from millstream.clock") == epoch


def test_a_changed_definition_replaces_the_view(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.write(ROWS)
    deployed = engine.deploy("create materialized view v as select g, max(v) as s from t group by g")
    assert deployed.action == "replaced"
    assert engine.all("v") == [("a", 10), ("b", 1)]
    engine.write("insert into t values (4, 'b', 7)")
    assert engine.all("v") == [("a", 10), ("b", 7)]


def test_rows_that_wait_during_a_deploy_are_counted_once(engine: Engine) -> None:
    engine.deploy(T)
    engine.execute(ROWS)
    engine.deploy(V)
    assert engine.all("v") == []
    engine.tick()
    assert engine.all("v") == [("a", 15), ("b", 1)]


def test_old_versions_are_collected(engine: Engine) -> None:
    engine.deploy_all(T, V, ON_V)
    engine.tick()
    engine.deploy("create materialized view v as select g, min(v) as s from t group by g")
    assert engine.states() == ["t", "top@2", "v@2"]
    assert engine.stored_tables() == {"t", "t__queue", "v@2", "top@2"}


def test_inner_nodes_are_collected_with_their_view(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view v as select s, count(*) as n from (select g, sum(v) as s from t group by g) as i group by s",
    )
    assert "v@1__1" in engine.stored_tables()
    engine.deploy("create materialized view v as select k from t")
    assert engine.stored_tables() == {"t", "t__queue", "v@2"}


def test_dependants_are_rebuilt_with_it_in_order(engine: Engine) -> None:
    engine.deploy_all(T, V, ON_V, "create materialized view above as select best + 1 as more from top")
    engine.write(ROWS)
    deployed = engine.deploy("create materialized view v as select g, count(*) as s from t group by g")
    assert deployed.rebuilt == ("top", "above")
    assert (engine.all("top"), engine.all("above")) == ([(2,)], [(3,)])
    engine.write("insert into t values (4, 'a', 0)")
    assert (engine.all("top"), engine.all("above")) == ([(3,)], [(4,)])


def test_a_dependant_that_is_deployed_later_is_built_once(engine: Engine) -> None:
    above = "create materialized view above as select best + 1 as more from top"
    engine.deploy_all(T, V, ON_V, above)
    engine.write(ROWS)
    deployed = engine.deploy(
        "create materialized view v as select g, count(*) as s from t group by g", later={("public", "top")}
    )
    assert deployed.rebuilt == ()
    engine.write("insert into t values (4, 'a', 0)")
    assert (engine.all("v"), engine.all("top")) == ([("a", 3), ("b", 1)], [(15,)])
    assert engine.deploy(ON_V).rebuilt == ("above",)
    assert (engine.all("top"), engine.all("above")) == ([(3,)], [(4,)])
    assert engine.states() == ["above@2", "t", "top@2", "v@2"]


def test_an_unchanged_view_is_built_again_on_demand(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.write(ROWS)
    assert engine.deploy(V, force=True).action == "replaced"
    assert (engine.states(), engine.all("v")) == (["t", "v@2"], [("a", 15), ("b", 1)])


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_a_view_that_was_dropped_by_hand_is_made_again(engine: Engine, kind: str) -> None:
    engine.deploy_all(T, f"create {kind} v as select g, v from t")
    engine.execute("drop view v")
    assert engine.deploy(f"create {kind} v as select g, v from t").action == "replaced"
    assert engine.all("v") == []


def test_a_dependant_of_two_changed_views_is_rebuilt_on_both(engine: Engine) -> None:
    engine.deploy_all(
        T,
        V,
        "create materialized view w as select g, s * 2 as d from v",
        "create materialized view both_of as select v.g, v.s, w.d from v join w on w.g = v.g",
    )
    engine.write(ROWS)
    engine.deploy("create materialized view w as select g, s * 3 as d from v")
    deployed = engine.deploy("create materialized view v as select g, count(*) as s from t group by g")
    assert deployed.rebuilt == ("w", "both_of")
    assert engine.all("both_of") == [("a", 2, 6), ("b", 1, 3)]
    engine.write("insert into t values (4, 'b', 0)")
    assert engine.all("both_of") == [("a", 2, 6), ("b", 2, 6)]
    assert engine.states() == ["both_of@3", "t", "v@2", "w@3"]


def test_a_column_may_be_added_under_dependants(engine: Engine) -> None:
    engine.deploy_all(T, V, ON_V, "create view plain as select g, s from v")
    engine.write(ROWS)
    engine.deploy("create materialized view v as select g, sum(v) as s, count(*) as n from t group by g")
    assert engine.all("v") == [("a", 15, 2), ("b", 1, 1)]
    assert (engine.all("top"), engine.all("plain")) == ([(15,)], [("a", 15), ("b", 1)])


def test_a_column_that_nobody_reads_may_be_removed_under_dependants(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create materialized view v as select g, sum(v) as s, count(*) as n from t group by g",
        ON_V,
        "create view plain as select g, s from v",
        "create view on_plain as select max(s) as best from plain",
    )
    engine.write(ROWS)
    engine.deploy(
        "create materialized view v as select s, g from (select g, sum(v) as s from t group by g) as i"
    )
    assert engine.all("v") == [(1, "b"), (15, "a")]
    assert engine.all("plain") == [("a", 15), ("b", 1)]
    assert (engine.all("on_plain"), engine.all("top")) == ([(15,)], [(15,)])
    engine.write("insert into t values (4, 'c', 99)")
    assert (engine.all("on_plain"), engine.all("top")) == ([(99,)], [(99,)])


def test_a_column_may_change_its_type_under_plain_views(engine: Engine) -> None:
    engine.deploy_all(T, V, "create view plain as select g, s from v")
    engine.write(ROWS)
    engine.deploy("create materialized view v as select g, cast(sum(v) as varchar) as s from t group by g")
    assert engine.all("plain") == [("a", "15"), ("b", "1")]


def test_a_column_that_a_plain_view_reads_cannot_go(engine: Engine) -> None:
    engine.deploy_all(T, V, "create view plain as select g, s from v")
    engine.write(ROWS)
    with pytest.raises(MillstreamError, match="the view plain needs the old ones") as caught:
        engine.deploy("create materialized view v as select g, count(*) as n from t group by g")
    assert "let plain do without them first" in str(caught.value)
    assert engine.all("plain") == [("a", 15), ("b", 1)]
    engine.write("insert into t values (4, 'b', 1)")
    assert engine.all("plain") == [("a", 15), ("b", 2)]


def test_a_dependant_that_cannot_be_rebuilt_stays_on_the_old_version_and_is_maintained(
    engine: Engine,
) -> None:
    engine.deploy_all(T, V, ON_V)
    engine.write(ROWS)
    deployed = engine.deploy("create materialized view v as select g, count(*) as n from t group by g")
    assert deployed.rebuilt == ("top (stays on the old version until it is deployed again)",)
    assert engine.all("v") == [("a", 2), ("b", 1)]
    engine.write("insert into t values (4, 'b', 100)")
    assert engine.all("v") == [("a", 2), ("b", 2)]
    assert engine.all("top") == [(101,)]
    assert engine.states() == ["t", "top@1", "v@1", "v@2"]
    engine.release()  # a worker that starts anew compiles the old version as it was
    engine.write("insert into t values (5, 'b', 1)")
    assert engine.all("top") == [(102,)]
    engine.deploy("create materialized view top as select max(n) as best from v")
    assert engine.all("top") == [(3,)]
    assert engine.states() == ["t", "top@2", "v@2"]


def test_a_view_that_cannot_be_built_leaves_the_old_one(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.write(ROWS)
    with pytest.raises(Refused):
        engine.deploy("create materialized view v as select g, random() as s from t")
    engine.write("insert into t values (4, 'b', 1)")
    assert engine.all("v") == [("a", 15), ("b", 2)]
    assert engine.states() == ["t", "v@1"]


def test_a_value_that_fails_while_building_is_null(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.write("insert into t values (1, 'a', 2000000000), (2, 'a', 2)")
    engine.deploy("create materialized view v as select k, v * 1000 as s from t")
    assert engine.all("v") == [(1, None), (2, 2000)]
    assert engine.rows("select model, count from millstream.evaluation_errors") == [("v", 1)]
    assert engine.stored_tables() == {"t", "t__queue", "v@2"}


def test_an_error_of_the_server_leaves_the_old_view(engine: Engine) -> None:
    engine.deploy_all(T, V)
    engine.write("insert into t values (1, 'a', 2)")
    engine.owner.execute("set lock_timeout = '10ms'")
    with psycopg.connect(engine.dsn) as other:
        other.execute("lock table millstream_data.t")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.deploy("create materialized view v as select k, v * 1000 as s from t")
    assert engine.all("v") == [("a", 2)]
    assert engine.stored_tables() == {"t", "t__queue", "v@1"}


def test_a_plain_view_is_expanded_into_what_reads_it_and_rebuilt_with_it(engine: Engine) -> None:
    engine.deploy_all(
        T,
        "create view dear as select k, g, v from t where v > 4",
        "create materialized view n as select g, count(*) as n from dear group by g",
    )
    engine.write(ROWS)
    assert engine.all("n") == [("a", 2)]
    deployed = engine.deploy("create view dear as select k, g, v from t where v > 0")
    assert deployed.rebuilt == ("n",)
    assert engine.all("n") == [("a", 2), ("b", 1)]
    assert engine.deploy("create view dear as select k, g, v from t where v > 0").action == "unchanged"


def test_a_materialized_view_becomes_a_plain_view_and_back(engine: Engine) -> None:
    engine.deploy_all(T, V, ON_V)
    engine.write(ROWS)
    assert engine.deploy(V.replace("materialized ", "")).action == "replaced"
    assert (engine.all("v"), engine.all("top")) == ([("a", 15), ("b", 1)], [(15,)])
    assert engine.states() == ["t", "top@2"]
    assert engine.deploy(V).action == "replaced"
    engine.write("insert into t values (4, 'b', 100)")
    assert (engine.all("v"), engine.all("top")) == ([("a", 15), ("b", 101)], [(101,)])


def test_nullable_columns_may_be_added_to_a_table_that_holds_rows(engine: Engine) -> None:
    engine.deploy_all(T, V, "create view plain as select k from t")
    engine.write(ROWS)
    engine.execute("insert into t values (4, 'c', 4)")
    deployed = engine.deploy(
        "create table t (k integer primary key, g varchar, v integer, note varchar default 'new', x bigint)"
    )
    assert (deployed.action, deployed.detail) == ("replaced", "source table, 2 columns added")
    engine.tick()
    engine.write("insert into t (k, g) values (5, 'c')", "insert into t (k, note) values (6, 'given')")
    assert engine.rows("select k, note, x from t where k > 2 order by k") == [
        (3, None, None),
        (4, None, None),
        (5, "new", None),
        (6, "given", None),
    ]
    assert engine.all("v") == [("a", 15), ("b", 1), ("c", 4), (None, None)]
    engine.deploy("create materialized view notes as select note, count(*) as n from t group by note")
    engine.write("update t set note = 'old' where k < 3")
    assert dict(engine.all("notes")) == {"given": 1, "new": 1, "old": 2, None: 2}


@pytest.mark.parametrize(
    "changed",
    [
        "create table t (k integer primary key, g varchar)",
        "create table t (k integer primary key, g varchar, v bigint)",
        "create table t (k integer primary key, g varchar, v integer, x integer not null)",
        "create table t (k integer primary key, x integer, g varchar, v integer)",
        "create table t (k integer, g varchar primary key, v integer)",
        "create table t (k integer primary key, g varchar, v integer) on conflict do nothing",
    ],
)
def test_any_other_change_of_a_table_that_holds_rows_is_refused(engine: Engine, changed: str) -> None:
    engine.deploy(T)
    engine.write(ROWS)
    with pytest.raises(Refused) as caught:
        engine.deploy(changed)
    assert caught.value.diagnostic.code == "MS035"
    assert engine.value("select count(*) from t") == 3


def test_indexes_are_made_and_a_change_of_them_is_a_change(engine: Engine) -> None:
    engine.deploy(T)
    engine.deploy(V, indexes=[["s"], ["s", "g"]])
    columns = engine.rows(
        "select array_agg(a.attname::text order by o.n) from pg_index as i"
        " cross join unnest(i.indkey) with ordinality as o(key, n)"
        " join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = o.key"
        " where i.indrelid = 'millstream_data.\"v@1\"'::regclass group by i.indexrelid"
    )
    assert [["s", "g"]] in [list(row) for row in columns]
    assert engine.deploy(V, indexes=[["s"], ["s", "g"]]).action == "unchanged"
    assert engine.deploy(V, indexes=[["g", "s"]]).action == "replaced"


def test_one_name_in_two_schemas(engine: Engine) -> None:
    engine.deploy_all(T, T.replace("table t", "table other.t"), V)
    engine.deploy(V.replace("view v", "view other.v").replace("from t", "from other.t"))
    engine.write(ROWS, "insert into other.t values (1, 'z', 7)")
    assert (engine.all("v"), engine.all("other.v")) == ([("a", 15), ("b", 1)], [("z", 7)])
    engine.drop("v", schema="other")
    engine.write("insert into t values (9, 'z', 1)")
    assert engine.all("v") == [("a", 15), ("b", 1), ("z", 1)]


def test_a_table_that_millstream_did_not_make_is_not_touched(engine: Engine) -> None:
    engine.execute("create table public.mine (k integer)")
    with pytest.raises(MillstreamError, match="was not deployed by Millstream"):
        engine.deploy("create table mine (k integer primary key)")
    engine.execute("insert into public.mine values (1)")
    assert engine.all("public.mine") == [(1,)]
