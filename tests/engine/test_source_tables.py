"""Source tables: what INSERT, UPDATE, DELETE and COPY amount to, by the table's conflict rule."""

from __future__ import annotations

import psycopg
import pytest

from tests.engine.engine import Engine

LAST_WINS = "create table t (k integer primary key, v varchar) on conflict do update full"
FIRST_WINS = "create table t (k integer primary key, v varchar) on conflict do nothing"
BAG = "create table t (k integer, v varchar) append only"
VERSIONED = "create table t (k integer primary key, v varchar, n bigint) on conflict do update full with version column (n)"
COUNTED = "create materialized view counted as select v, count(*) as n from t group by v"


def test_a_writer_reads_its_writes_at_once_and_views_follow_at_the_tick(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, COUNTED)
    with engine.client.transaction():
        engine.execute("insert into t values (1, 'a')")
        assert engine.all("t") == [(1, "a")]
    assert engine.all("counted") == []
    assert engine.tick().rows == 1
    assert engine.all("counted") == [("a", 1)]


def test_the_last_write_of_a_key_wins(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a'), (2, 'a'), (1, 'b')")
    assert engine.all("t") == [(1, "b"), (2, "a")]
    engine.write("insert into t values (2, 'c')", "insert into t values (2, 'd')")
    assert engine.all("t") == [(1, "b"), (2, "d")]
    assert engine.all("counted") == [("b", 1), ("d", 1)]


def test_the_first_write_of_a_key_wins(engine: Engine) -> None:
    engine.deploy_all(FIRST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a'), (1, 'b')")
    assert engine.all("t") == [(1, "a")]
    engine.write("insert into t values (1, 'c')", "insert into t values (2, 'c'), (2, 'd')")
    assert engine.all("t") == [(1, "a"), (2, "c")]
    assert engine.all("counted") == [("a", 1), ("c", 1)]


def test_after_a_delete_the_first_insert_counts_again(engine: Engine) -> None:
    engine.deploy_all(FIRST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a')")
    engine.write(
        "delete from t where k = 1", "insert into t values (1, 'b')", "insert into t values (1, 'c')"
    )
    assert engine.all("t") == [(1, "b")]
    engine.write("insert into t values (1, 'd')", "delete from t where k = 1")
    assert engine.all("t") == []
    assert engine.all("counted") == []


def test_without_a_key_every_insert_is_a_row(engine: Engine) -> None:
    engine.deploy_all(BAG, COUNTED)
    engine.write("insert into t values (1, 'a'), (1, 'a')", "insert into t values (1, 'a'), (null, null)")
    assert engine.all("t") == [(1, "a"), (1, "a"), (1, "a"), (None, None)]
    assert engine.all("counted") == [("a", 3), (None, 1)]


def test_without_a_key_a_delete_takes_the_rows_that_it_sees(engine: Engine) -> None:
    engine.deploy_all(BAG, COUNTED)
    engine.write("insert into t values (1, 'a'), (1, 'a'), (2, 'a'), (null, 'a')")
    engine.write("delete from t where k = 1")
    assert engine.all("t") == [(2, "a"), (None, "a")]
    engine.write("delete from t where k is null")
    assert engine.all("t") == [(2, "a")]
    assert engine.all("counted") == [("a", 1)]


def test_without_a_key_two_deletes_of_the_same_rows_delete_them_once(engine: Engine) -> None:
    engine.deploy_all(BAG, COUNTED)
    engine.write("insert into t values (1, 'a'), (1, 'a')")
    engine.write("insert into t values (1, 'a')", "delete from t", "delete from t")
    assert engine.all("t") == []
    engine.write("insert into t values (1, 'a')")
    assert engine.all("counted") == [("a", 1)]


def test_without_a_key_an_update_changes_the_rows_that_it_selects(engine: Engine) -> None:
    engine.deploy_all(BAG, COUNTED)
    engine.write("insert into t values (1, 'a'), (1, 'a'), (2, 'b')")
    assert engine.execute("update t set v = 'c' where k = 1").rowcount == 2
    engine.tick()
    assert engine.all("t") == [(1, "c"), (1, "c"), (2, "b")]
    assert engine.all("counted") == [("b", 1), ("c", 2)]


def test_an_update_of_the_key_moves_the_row(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a'), (2, 'b')")
    engine.write("update t set k = 3 where k = 1")
    assert engine.all("t") == [(2, "b"), (3, "a")]
    engine.write("update t set k = k + 10")
    assert engine.all("t") == [(12, "b"), (13, "a")]
    assert engine.all("counted") == [("a", 1), ("b", 1)]


def test_an_update_of_the_key_where_the_first_wins(engine: Engine) -> None:
    engine.deploy_all(FIRST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a')")
    engine.write("update t set k = 2, v = 'b'")
    assert engine.all("t") == [(2, "b")]
    assert engine.all("counted") == [("b", 1)]


def test_an_update_of_rows_that_are_gone_changes_nothing(engine: Engine) -> None:
    engine.deploy(LAST_WINS)
    engine.write("insert into t values (1, 'a')")
    engine.write("update t set v = 'b' where k = 9", "delete from t where k = 8")
    assert engine.all("t") == [(1, "a")]


def test_a_write_and_its_opposite_within_a_tick_change_nothing(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, COUNTED)
    engine.write("insert into t values (1, 'a')")
    engine.write("update t set v = 'b'", "update t set v = 'a'")
    assert engine.all("t") == [(1, "a")]
    assert engine.all("counted") == [("a", 1)]


def test_an_older_version_does_not_replace_a_newer_one(engine: Engine) -> None:
    engine.deploy(VERSIONED)
    engine.write("insert into t values (1, 'new', 5)")
    engine.write("insert into t values (1, 'old', 4)")
    assert engine.all("t") == [(1, "new", 5)]
    engine.write("insert into t values (1, 'same', 5)")
    assert engine.all("t") == [(1, "same", 5)]
    engine.write("insert into t values (1, 'late', 7), (1, 'early', 6)")
    assert engine.all("t") == [(1, "late", 7)]


def test_defaults_fill_columns_that_are_not_given(engine: Engine) -> None:
    engine.deploy(
        "create table t (k integer primary key, v varchar default 'none', at timestamptz default now())"
    )
    engine.write("insert into t (k) values (1)", "insert into t (k, v) values (2, null)")
    assert engine.rows("select k, v, at is not null from t order by k") == [
        (1, "none", True),
        (2, None, True),
    ]


def test_a_row_with_a_value_of_another_type_is_refused_at_once(engine: Engine) -> None:
    engine.deploy(LAST_WINS)
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="integer"):
        engine.execute("insert into t values ('one', 'a')")


def test_a_null_key_is_refused_at_once(engine: Engine) -> None:
    engine.deploy(LAST_WINS)
    with pytest.raises(psycopg.errors.NotNullViolation):
        engine.execute("insert into t values (null, 'a')")
    assert engine.tick().rows == 0


def test_what_a_transaction_rolls_back_never_happened(engine: Engine) -> None:
    engine.deploy(LAST_WINS)
    with engine.client.transaction(force_rollback=True):
        engine.execute("insert into t values (1, 'a')")
    assert engine.tick().rows == 0
    assert engine.all("t") == []


def test_a_transaction_that_commits_late_is_not_lost(engine: Engine) -> None:
    """Its rows have lower numbers than rows that a tick took already."""
    engine.deploy(LAST_WINS)
    with psycopg.connect(engine.dsn) as slow:
        slow.execute("insert into t values (1, 'slow')")
        engine.write("insert into t values (2, 'fast')")
        assert engine.all("t") == [(2, "fast")]
        slow.commit()
    engine.tick()
    assert engine.all("t") == [(1, "slow"), (2, "fast")]


def test_rows_are_copied_in_text_and_binary(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, COUNTED)
    with engine.client.cursor() as cursor:
        with cursor.copy("copy t (k, v) from stdin") as copy:
            copy.write("1\ta\n2\t\\N\n")
        with cursor.copy("copy t (v, k) from stdin (format binary)") as copy:
            copy.set_types(["text", "int4"])
            copy.write_row(("c", 3))
    engine.tick()
    assert engine.all("t") == [(1, "a"), (2, None), (3, "c")]


def test_a_tick_takes_no_more_than_its_batch_oldest_first(engine: Engine) -> None:
    engine.deploy_all(LAST_WINS, "create materialized view copy as select k from t")
    engine.execute("insert into t select n, 'v' from generate_series(1, 25) as n")
    assert engine.worker.tick(batch=10).rows == 10
    assert [row[0] for row in engine.all("copy")] == list(range(1, 11))
    assert engine.worker.tick(batch=10).rows == 10
    assert engine.worker.tick(batch=10).rows == 5


def test_columns_of_every_type_come_back_as_they_were_written(engine: Engine) -> None:
    engine.deploy(
        "create table t (k varchar primary key, i smallint, b bigint, x real, d double precision, n numeric, f boolean,"
        " at timestamptz, day date, gap interval, body jsonb, tags varchar[], scores double precision[], raw bytea)"
    )
    engine.execute(
        "insert into t values ('a', 1, 2, 0.5, 0.1, 1.25, true, '2030-01-01 00:00+00', '2030-01-01', '1 day 2 hours',"
        " '{\"a\": [1, null]}', array['x', null, 'y\"z'], array[0.1, 'nan'], '\\xdeadbeef')"
    )
    engine.deploy(
        "create materialized view v as select k, i, b, x, d, n, f, at, day, gap, body, tags, scores, raw from t"
    )
    engine.tick()
    written = "select t.* from t"
    assert engine.value(f"select count(*) from ({written} except select * from v) as s") == 0
    assert engine.value("select count(*) from v") == 1


def test_names_that_need_quotes(engine: Engine) -> None:
    engine.deploy('create table t ("Key" integer primary key, "order" varchar, "a b" integer)')
    engine.deploy('create materialized view v as select "order", sum("a b") as "Sum" from t group by "order"')
    engine.write("insert into t values (1, 'x', 2), (2, 'x', 3)")
    assert engine.rows('select "order", "Sum" from v') == [("x", 5)]


def test_a_name_of_sixty_letters_is_cut_without_a_clash(engine: Engine) -> None:
    first, second = "r" * 60, "r" * 59 + "s"
    for name in (first, second):
        engine.deploy(f"create table {name} (k integer primary key)")
        engine.deploy(f"create materialized view v{name[1:]} as select k from {name}")
    engine.write(f"insert into {first} values (1)", f"insert into {second} values (2)")
    assert engine.all("v" + first[1:]) == [(1,)]
    assert engine.all("v" + second[1:]) == [(2,)]
