"""Python functions: called once per changed row; a row that fails gives NULL for itself alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from millstream.errors import MillstreamError, Refused
from tests.engine.engine import Engine

T = "create table t (k integer primary key, xs double precision[], name varchar)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "udfs" / "code.py"


def test_a_function_is_called_once_for_each_changed_row(engine: Engine, file: Path) -> None:
    calls = file.parent.parent / "calls"
    code = f"def note(k):\n    with open({str(calls)!r}, 'a') as log:\n        log.write(f'{{k}} ')\n    return k * 2\n"
    engine.deploy(T)
    engine.deploy_python(file, "note", "k integer", "integer", code)
    engine.write("insert into t (k) values (1), (2)")
    engine.deploy("create materialized view v as select k, note(k) as twice from t")
    assert engine.all("v") == [(1, 2), (2, 4)]
    assert calls.read_text() == "1 2 "
    engine.write("insert into t (k) values (3)", "delete from t where k = 1")
    assert engine.all("v") == [(2, 4), (3, 6)]
    assert calls.read_text() == "1 2 3 "
    engine.tick()
    assert calls.read_text() == "1 2 3 "


def test_a_worker_loads_functions_before_an_event_waits_for_them(
    engine: Engine, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = file.parent.parent / "loaded"
    engine.deploy_python(file, "f", "k integer", "integer", "def f(k):\n    return k\n")
    engine.release()
    file.write_text(f"open({str(loaded)!r}, 'w').close()\ndef f(k):\n    return k\n")
    engine.tick()
    assert loaded.exists()
    engine.release()
    file.write_text("import there_is_no_such_module\n")
    engine.tick()
    assert "f cannot be loaded: No module named 'there_is_no_such_module'" in caplog.text


def test_a_bad_row_gives_null_for_that_row_only(
    engine: Engine, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.deploy(T)
    engine.deploy_python(
        file, "head", "xs double precision[]", "double precision", "def head(xs):\n    return xs[0]\n"
    )
    engine.deploy("create materialized view v as select k, head(xs) as x from t")
    with caplog.at_level(logging.WARNING, logger="millstream.udf"):
        engine.write("insert into t (k, xs) values (1, array[1.5]), (2, '{}'), (3, null), (4, array[4.5, 1])")
    assert engine.all("v") == [(1, 1.5), (2, None), (3, None), (4, 4.5)]
    assert "head failed for a row: IndexError" in caplog.text
    assert engine.worker.functions.errors == {"head": 2}
    engine.write("update t set xs = array[7.0] where k = 2")
    assert engine.all("v")[1] == (2, 7.0)


def test_a_fallback_stands_beside_a_failed_call(engine: Engine, file: Path) -> None:
    engine.deploy(T)
    engine.deploy_python(
        file, "best", "xs double precision[]", "double precision", "def best(xs):\n    return max(xs)\n"
    )
    engine.deploy("create materialized view v as select k, coalesce(best(xs), -1) as x from t")
    engine.write("insert into t (k, xs) values (1, array[1, 9]), (2, '{}')")
    assert engine.all("v") == [(1, 9.0), (2, -1.0)]


def test_structs_lists_and_nulls_come_back_by_field(engine: Engine, file: Path) -> None:
    code = (
        "def order_them(names, xs):\n"
        "    pairs = sorted(zip(names, xs), key=lambda pair: -pair[1])\n"
        "    return [{'score': x, 'item': name, 'note': None if x > 1 else 'a \"quoted, (odd)\" \\\\ note'} for name, x in pairs]\n"
    )
    engine.deploy("create table t (k integer primary key, names varchar[], xs double precision[])")
    engine.deploy_python(
        file,
        "order_them",
        "names varchar[]; xs double precision[]",
        "struct<item varchar, score double precision, note varchar>[]",
        code,
    )
    engine.deploy("create materialized view v as select k, order_them(names, xs) as list from t")
    engine.deploy(
        "create view rows as select v.k, r.item, r.score, r.note, r.place from v"
        " cross join unnest(v.list) with ordinality as r (item, score, note, place)"
    )
    engine.write("insert into t values (1, array['a', 'b'], array[0.5, 2]), (2, '{}', '{}')")
    assert engine.rows("select k, item, score, note, place from rows order by k, place") == [
        (1, "b", 2.0, None, 1),
        (1, "a", 0.5, 'a "quoted, (odd)" \\ note', 2),
    ]
    assert engine.value("select list = '{}' from v where k = 2")


def test_a_struct_with_a_field_that_was_not_declared_is_a_failed_row(engine: Engine, file: Path) -> None:
    engine.deploy(T)
    engine.deploy_python(
        file,
        "wrong",
        "k integer",
        "struct<a integer>",
        "def wrong(k):\n    return {'a': k, 'b': 1} if k > 1 else {'a': k}\n",
    )
    engine.deploy("create materialized view v as select k, (wrong(k)).a as a from t")
    engine.write("insert into t (k) values (1), (2)")
    assert engine.all("v") == [(1, 1), (2, None)]


def test_arguments_arrive_as_python_values(engine: Engine, file: Path) -> None:
    code = (
        "import datetime\n"
        "def kinds(i, x, s, b, xs, at):\n"
        "    return ' '.join(type(v).__name__ for v in (i, x, s, b, xs, at)) + f' {xs}'\n"
    )
    engine.deploy(
        "create table t (k integer primary key, x double precision, s varchar, b boolean, xs varchar[], at timestamptz)"
    )
    engine.deploy_python(
        file,
        "kinds",
        "i integer; x double precision; s varchar; b boolean; xs varchar[]; at timestamptz",
        "varchar",
        code,
    )
    engine.deploy("create materialized view v as select kinds(k, x, s, b, xs, at) as kinds from t")
    engine.write("insert into t values (1, 0.5, 'a', true, array['a', null], '2030-01-01')")
    assert engine.value("select kinds from v") == "int float str bool list datetime ['a', None]"


def test_a_function_over_a_group_is_called_for_changed_groups(engine: Engine, file: Path) -> None:
    engine.deploy("create table t (k integer primary key, g varchar, v integer)")
    engine.deploy_python(file, "total", "xs integer[]", "integer", "def total(xs):\n    return sum(xs)\n")
    engine.deploy(
        "create materialized view v as select g, total(array_agg(v order by k)) as s from t group by g"
    )
    engine.write("insert into t values (1, 'a', 1), (2, 'a', 2), (3, 'b', 3), (4, null, 4)")
    assert engine.all("v") == [("a", 3), ("b", 3), (None, 4)]
    engine.write("delete from t where k in (2, 3)", "update t set v = 5 where g is null")
    assert engine.all("v") == [("a", 1), (None, 5)]


def test_changed_code_is_loaded_by_a_deploy_and_used_from_the_next_act_on(engine: Engine, file: Path) -> None:
    engine.deploy(T)
    engine.deploy_python(file, "f", "k integer", "integer", "def f(k):\n    return 1\n")
    engine.deploy("create materialized view v as select k, f(k) as x from t")
    engine.write("insert into t (k) values (1)")
    assert engine.deploy_python(file, "f", "k integer", "integer").action == "unchanged"
    assert (
        engine.deploy_python(file, "f", "k integer", "integer", "def f(k):\n    return 2\n").action
        == "replaced"
    )
    engine.write("insert into t (k) values (2)")
    assert engine.all("v") == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("arguments", "returns"), [("k bigint", "integer"), ("k integer", "bigint"), ("j integer", "integer")]
)
def test_a_changed_signature_needs_another_name(
    engine: Engine, file: Path, arguments: str, returns: str
) -> None:
    engine.deploy_python(file, "f_v1", "k integer", "integer", "def f_v1(k):\n    return 1\n")
    with pytest.raises(Refused) as caught:
        engine.deploy_python(file, "f_v1", arguments, returns)
    assert caught.value.diagnostic.code == "MS033"
    assert "new name" in caught.value.diagnostic.hint


@pytest.mark.parametrize("name", ["coalesce", "rank", "upper", "median", "array_min"])
def test_the_name_of_a_built_in_function_is_refused(engine: Engine, file: Path, name: str) -> None:
    with pytest.raises(MillstreamError, match=f"{name} is the name of a built-in function") as caught:
        engine.deploy_python(file, name, "k integer", "integer", f"def {name}(k):\n    return 1\n")
    assert f"{name}_v1" in str(caught.value)


def test_a_function_is_called_by_the_worker_only(engine: Engine, file: Path) -> None:
    engine.deploy_python(file, "f", "k integer", "integer", "def f(k):\n    return 1\n")
    with pytest.raises(Exception, match="run in the worker"):
        engine.execute("select public.f(1)")


def test_a_file_that_is_not_there_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(MillstreamError, match="there is no file of that name"):
        engine.deploy_python(tmp_path / "missing.py", "f", "k integer", "integer")


def test_a_file_without_the_function_is_refused_with_a_hint(engine: Engine, file: Path) -> None:
    engine.deploy_all(T)
    engine.write("insert into t (k) values (1)")
    engine.deploy_python(file, "f", "k integer", "integer", "def g(k):\n    return 1\n")
    with pytest.raises(MillstreamError, match="has no function f"):
        engine.deploy("create materialized view v as select k, f(k) as x from t")


RESULTS = {  # of k = 2, where the function returns a number as text for the others
    "another type": "object()",
    "text for a number": "'many'",
    "a number that is too large": "10**400",
    "the character NUL": "'\\x00'",
    "half a character": "'\\ud800'",
    "a list": "[1, 2]",
    "nothing that can be written": "Mute()",
}


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_that_cannot_be_stored_is_null(result: str, engine: Engine, file: Path) -> None:
    code = (
        "class Mute:\n    def __str__(self):\n        raise RuntimeError\n"
        f"def odd(k):\n    return {RESULTS[result]} if k == 2 else k * 1.5\n"
    )
    engine.deploy(T)
    engine.deploy_python(file, "odd", "k integer", "double precision", code)
    engine.write("insert into t (k) values (1), (2), (3)")
    engine.deploy("create materialized view v as select k, odd(k) as x from t")
    assert engine.all("v") == [(1, 1.5), (2, None), (3, 4.5)]
    engine.write("delete from t", "insert into t (k) values (1), (2), (3)")
    engine.write("insert into t (k) values (4)")
    assert engine.all("v") == [(1, 1.5), (2, None), (3, 4.5), (4, 6.0)]
    assert engine.value("select count(*) from millstream.suspended") == 0


def test_an_argument_that_python_cannot_hold_costs_its_row(engine: Engine, file: Path) -> None:
    engine.deploy("create table e (k integer primary key, at timestamptz, a integer)")
    engine.deploy_python(
        file, "year_of", "at timestamptz", "integer", "def year_of(at):\n    return at.year\n"
    )
    engine.deploy_python(
        file.with_name("other.py"), "after", "a integer", "integer", "def after(a):\n    return a\n"
    )
    engine.write(
        "insert into e values (1, '2030-01-01', 1), (2, 'infinity', 2147483647), (3, '20000-01-01', 3)"
    )
    view = "create materialized view v as select k, year_of(at) as y, after(a + 1) as n from e"
    engine.deploy(view)
    expected = [(1, 2030, 2), (2, None, None), (3, None, 4)]
    assert engine.all("v") == expected
    engine.write("delete from e where k = 2", "insert into e values (2, '-infinity', 2147483647)")
    assert engine.all("v") == expected
