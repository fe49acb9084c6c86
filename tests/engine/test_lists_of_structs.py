"""Lists of structs with lists in them: aggregated, kept, unfolded again, given to a Python function and returned by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.errors import Refused
from tests.engine.engine import Engine

FOUND = "struct<strategy varchar, reason varchar, item_ids varchar[], scores double precision[]>"
TABLES = (
    "create table people (user_id varchar primary key, items varchar[])",
    "create table near (item_id varchar primary key, ids varchar[], scores double precision[])",
    "create table items (item_id varchar primary key, category varchar)",
)
LISTS = f"""
    with found as (
        select p.user_id, 'near' as strategy, x.item_id as reason, n.ids[1:2] as item_ids, n.scores[1:2] as scores
        from people as p cross join unnest(p.items) with ordinality as x (item_id, place)
        inner join near {{}} as n on n.item_id = x.item_id
        union all
        select user_id, 'own' as strategy, cast(null as varchar) as reason, items as item_ids,
            cast(null as double precision[]) as scores
        from people
    )
    select user_id,
        sum(cardinality(item_ids)) filter (where strategy = 'own') as known,
        array_agg(cast(row(strategy, reason, item_ids, scores) as {FOUND}) order by strategy, reason) as lists
    from found group by user_id
"""
AT_ONCE, ON_ACT = LISTS.format(""), LISTS.format("for system_time as of proctime()")
ROWS = """
    select l.user_id, f.strategy, f.reason, x.item_id, f.scores[cast(x.slot as integer)] as score
    from lists as l
    cross join unnest(l.lists) with ordinality as f (strategy, reason, item_ids, scores, place)
    cross join unnest(f.item_ids) with ordinality as x (item_id, slot)
"""
WRITES = (
    "insert into near values ('a', array['b', 'c', 'd'], array[0.5, 0.25, 0.1]), ('b', array['a'], null)",
    "insert into people values ('ann', array['a', 'b']), ('bob', null), ('cleo', array['z', null])",
)


def unfolded(engine: Engine) -> list[tuple[object, ...]]:
    return engine.execute("select * from rows order by 1, 2, 3 nulls last, 4 nulls last").fetchall()


EXPECTED = [
    ("ann", "near", "a", "b", 0.5), ("ann", "near", "a", "c", 0.25), ("ann", "near", "b", "a", None),
    ("ann", "own", None, "a", None), ("ann", "own", None, "b", None),
    ("cleo", "own", None, "z", None), ("cleo", "own", None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("query", [AT_ONCE, ON_ACT], ids=["joined", "as of process time"])
def test_they_are_kept_and_unfolded(engine: Engine, query: str) -> None:
    engine.deploy_all(*TABLES, f"create materialized view lists as {query}", f"create view rows as {ROWS}")
    engine.write(WRITES[0])
    engine.write(WRITES[1])
    assert unfolded(engine) == EXPECTED
    engine.write("update near set scores = array[9.0, 0.25] where item_id = 'a'")
    score = 9.0 if query is AT_ONCE else 0.5
    assert unfolded(engine)[0] == ("ann", "near", "a", "b", score)
    engine.write(
        "update people set items = array['a'] where user_id = 'ann'",
        "delete from people where user_id = 'cleo'",
    )
    assert unfolded(engine) == [
        ("ann", "near", "a", "b", 9.0), ("ann", "near", "a", "c", 0.25), ("ann", "own", None, "a", None),
    ]  # fmt: skip
    assert engine.value("select known from lists where user_id = 'ann'") == 1


def test_they_are_built_from_what_is_there(engine: Engine) -> None:
    engine.deploy_all(*TABLES)
    engine.write(*WRITES)
    engine.deploy_all(f"create materialized view lists as {ON_ACT}", f"create view rows as {ROWS}")
    assert unfolded(engine) == EXPECTED


def test_lists_that_are_the_same_are_no_change(engine: Engine) -> None:
    engine.deploy_all(*TABLES, f"create materialized view lists as {AT_ONCE}")
    engine.write(*WRITES)
    before = engine.value(
        "select xmin::text || ctid::text from millstream_data.\"lists@1\" where user_id = 'ann'"
    )
    engine.write("update near set ids = array['b', 'c', 'e'] where item_id = 'a'")
    assert (
        engine.value("select xmin::text || ctid::text from millstream_data.\"lists@1\" where user_id = 'ann'")
        == before
    )


ODD = ['a "b"', "c, {d}", "e\\f", "", "NULL", "é·茶"]
ECHO = """
def echo(lists, number):
    if lists is None:
        return None
    odd = ['a "b"', "c, {d}", "e\\\\f", "", "NULL", "é·茶"]
    return [
        {"item_id": item, "strategies": [each["strategy"], None, *odd], "shares": [number, float("nan"), None]}
        for each in lists for item in each["item_ids"] or () if each["reason"] == "a"
    ]
"""
RETURNED = "struct<item_id varchar, strategies varchar[], shares double precision[]>[]"


def test_a_function_is_given_dicts_and_returns_them(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "udfs" / "code.py"
    engine.deploy_all(*TABLES)
    engine.deploy_python(file, "echo", f"lists {FOUND}[];number integer", RETURNED, ECHO)
    engine.deploy_all(
        f"create materialized view told as with l as ({ON_ACT}) select user_id, echo(lists, 7) as told from l",
        "create view rows as select t.user_id, r.item_id, r.strategies, r.shares, r.place from told as t"
        " cross join unnest(t.told) with ordinality as r (item_id, strategies, shares, place)",
    )
    engine.write(WRITES[0])
    engine.write(WRITES[1])
    rows = engine.execute(
        "select item_id, strategies, shares::text, place from rows order by place"
    ).fetchall()
    assert rows == [
        ("b", ["near", None, *ODD], "{7,NaN,NULL}", 1),
        ("c", ["near", None, *ODD], "{7,NaN,NULL}", 2),
    ]
    assert engine.value("select told::text from told where user_id = 'bob'") == "{}"


LOOKS = """
LOOKED_UP = {"items": ("item_id", ("category",))}
look_up = None
def categories(items):
    found = look_up("items", items)
    return [found[item][0] if item in found else "unknown" for item in items]
"""


def test_a_function_looks_up_what_a_source_holds_now(engine: Engine, tmp_path: Path) -> None:
    engine.deploy(TABLES[0])
    engine.deploy_python(tmp_path / "udfs" / "code.py", "categories", "items varchar[]", "varchar[]", LOOKS)
    engine.deploy("create materialized view v as select user_id, categories(items) as found from people")
    engine.write("insert into people values ('ann', array['a'])")
    assert engine.all("v") == [("ann", ["unknown"])], "there is no source of that name yet"
    engine.deploy(TABLES[2])
    engine.write("insert into items values ('a', 'tea'), ('b', null)")
    engine.write("insert into people values ('bob', array['a', 'b', 'c'])")
    assert engine.all("v")[-1] == ("bob", ["tea", None, "unknown"])
    engine.write(
        "update items set category = 'jam' where item_id = 'a'", "insert into items values ('c', 'cake')"
    )
    engine.write("insert into people values ('cleo', array['a', 'b', 'c'])")
    assert engine.all("v") == [
        ("ann", ["unknown"]), ("bob", ["tea", None, "unknown"]), ("cleo", ["jam", None, "cake"]),
    ]  # fmt: skip


def test_equal_structs_share_a_type_that_goes_with_the_last_of_them(engine: Engine, tmp_path: Path) -> None:
    kinds = "select count(*) from pg_type where typname like 'struct<%%' and typtype = 'c'"
    engine.deploy_all(*TABLES, f"create materialized view lists as {AT_ONCE}")
    engine.deploy_python(
        tmp_path / "udfs" / "code.py", "echo", f"lists {FOUND}[];number integer", RETURNED, ECHO
    )
    assert engine.value(kinds) == 2
    engine.release()
    engine.drop("lists")
    assert engine.value(kinds) == 2
    engine.drop("echo")
    assert engine.value(kinds) == 0


def test_a_field_without_a_type_is_refused(engine: Engine) -> None:
    engine.deploy(TABLES[0])
    with pytest.raises(Refused, match="struct field varchar"):
        engine.deploy(
            "create materialized view v as select user_id, cast(row(user_id) as struct<varchar>) as s from people"
        )


def test_a_type_that_stands_in_an_expression_alone_stays(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (id integer primary key, g varchar)",
        "create table other (id integer primary key)",
        "create materialized view v as select id, (cast(row(g, id) as struct<a varchar, b integer>)).b as b from t",
        "create materialized view x as select id from other",
    )
    engine.drop("x")
    engine.drop("other")
    engine.write("insert into t values (1, 'g')")
    assert engine.all("v") == [(1, 1)]
