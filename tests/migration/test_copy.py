"""What is copied arrives as it is, once, from whatever state the copy starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.errors import MillstreamError
from millstream.migration import copy
from millstream.migration.migrate import Migration
from millstream.migration.source import SourceTable, open_snapshot
from millstream.migration.target import RisingWaveTarget, delete_statement, insert_statement
from tests.conformance.rules import one_statement, type_rules
from tests.engine.engine import START
from tests.migration.conftest import Pair

SOURCES = Path(__file__).parents[2] / "sql/sources"
TABLES = ("events", "items", "raw", "weights")


def spelled(engine: Any, table: str) -> list[str]:
    """Every row as PostgreSQL writes it, so that nothing compares equal that is not."""
    return sorted(row[0] for row in engine.rows(f"select t::text from {table} as t"))


def test_every_value_of_every_type_arrives_as_it_was(filled: Pair) -> None:
    assert filled.copy() == {"events": (4, 0, 4), "items": (3, 0, 3), "weights": (1, 0, 1), "raw": (4, 0, 4)}
    for table in TABLES:
        assert spelled(filled.there, table) == spelled(filled.here, table)


def test_a_second_copy_sends_nothing(filled: Pair) -> None:
    filled.copy()
    assert filled.copy() == {"events": (4, 4, 0), "items": (3, 3, 0), "weights": (1, 1, 0), "raw": (4, 4, 0)}
    assert spelled(filled.there, "raw") == spelled(filled.here, "raw")


def test_a_later_copy_sends_what_is_new_and_what_changed(filled: Pair) -> None:
    filled.copy()
    filled.here.write(
        "update events set price = 7 where event_id = 'e1'",  # the first one of a key wins there: deleted, then sent
        "update items set category = 'bread' where shop = 't'",
        "insert into events (event_id, item_id) values ('e5', 'c')",
        "insert into raw values ('m2', null)",
        now=START,
    )
    assert filled.copy() == {"events": (5, 3, 2), "items": (3, 2, 1), "weights": (1, 1, 0), "raw": (5, 4, 1)}
    for table in TABLES:
        assert spelled(filled.there, table) == spelled(filled.here, table)


def test_a_copy_that_is_cut_off_goes_on_where_it_stopped(pair: Pair) -> None:
    pair.here.write(
        "insert into events (event_id, price) select 'e' || n, n from generate_series(1, 50) as n",
        "insert into raw select 'm' || n % 7, null from generate_series(1, 50) as n",
        now=START,
    )
    real, statements = RisingWaveTarget.insert, iter(range(100))

    def dying(self: RisingWaveTarget, relation: str, columns: Any, rows: Sequence[Any]) -> None:
        if next(statements) == 7:
            pair.there.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid = %s",
                [self.connection.info.backend_pid],
            )
        real(self, relation, columns, rows)

    with (
        mock.patch.object(RisingWaveTarget, "insert", dying),
        mock.patch.object(copy.copy_table, "__defaults__", (10,)),
        pytest.raises(MillstreamError, match="(?s)connection broke.*run `millstream migrate` again"),
    ):
        pair.copy()
    pair.there.tick(START)
    assert pair.there.value("select count(*) from events") == 50
    assert pair.there.value("select count(*) from raw") == 20
    with psycopg.connect(pair.there.dsn, autocommit=True) as connection:
        pair.target = RisingWaveTarget(connection, flush=lambda: pair.there.tick(START))
        assert pair.copy() == {
            "events": (50, 50, 0),
            "items": (0, 0, 0),
            "weights": (0, 0, 0),
            "raw": (50, 20, 30),
        }
    for table in TABLES:
        assert spelled(pair.there, table) == spelled(pair.here, table)


def test_rows_that_are_not_from_here_stop_the_copy_before_anything_is_sent(filled: Pair) -> None:
    filled.there.write("insert into weights values ('a', 1), ('other', 1)", now=START)
    with pytest.raises(
        MillstreamError, match=r"public\.weights .* not empty: 1 of its rows .*\n.*--keep-extra"
    ):
        filled.copy()
    assert filled.there.value("select count(*) from events") == 0
    assert filled.copy(keep_extra=True)["weights"] == (1, 0, 1)
    assert filled.there.all("weights") == [("a", 2.5), ("other", 1.0)]


def test_a_row_without_a_key_that_is_not_from_here_counts_too(filled: Pair) -> None:
    filled.there.write("insert into raw values ('m1', '1'), ('m1', '1'), ('m1', '1')", now=START)
    with pytest.raises(MillstreamError, match=r"public\.raw .* not empty: 1 of its rows"):
        filled.copy()


def test_a_row_that_is_refused_is_named_and_the_others_arrive(filled: Pair, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table weights (name varchar primary key, weight float check (weight < 5))")
        filled.here.write("insert into weights select 'w' || n, n from generate_series(1, 5) as n", now=START)
        with (
            open_snapshot(filled.here.dsn) as snapshot,
            pytest.raises(
                MillstreamError, match=r"refuses a row of public\.weights, {'name': 'w5'}: .*check"
            ),
        ):
            Migration(snapshot, RisingWaveTarget(connection, flush=lambda: None), ["weights"]).copy(
                lambda *_: None
            )
        assert len(connection.execute("select from weights").fetchall()) >= 4


def test_what_lacks_there_is_named_with_the_remedy(filled: Pair, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection, open_snapshot(filled.here.dsn) as snapshot:
        target = RisingWaveTarget(connection, flush=lambda: None)
        with pytest.raises(MillstreamError, match=r"no public\.events.*\n.*deploy --target risingwave"):
            Migration(snapshot, target)
        connection.execute("create table weights (name varchar primary key)")
        with pytest.raises(MillstreamError, match=r"public\.weights has no column weight"):
            Migration(snapshot, target, ["weights"])
        with pytest.raises(
            MillstreamError, match=r"no source table is called public\.nothing\n.*public\.raw"
        ):
            Migration(snapshot, target, ["nothing"])


def test_the_copy_is_of_one_tick_whatever_is_written_meanwhile(filled: Pair) -> None:
    with open_snapshot(filled.here.dsn) as snapshot:
        filled.here.write("insert into weights values ('late', 1)", now=START)
        copied = filled.migration(snapshot, "weights").copy(lambda *_: None)
    assert copied["public.weights"].rows == 1
    filled.here.execute("insert into weights values ('queued', 1)")
    with open_snapshot(filled.here.dsn) as snapshot:
        assert snapshot.waiting == 1


def test_progress_counts_every_row_once(filled: Pair) -> None:
    settled: dict[str, int] = dict.fromkeys((f"public.{name}" for name in TABLES), 0)

    def advance(table: str, rows: int) -> None:
        settled[table] += rows

    with open_snapshot(filled.here.dsn) as snapshot:
        migration = filled.migration(snapshot)
        planned = {each.name: each.here for each in migration.plan()}
        migration.copy(advance)
    assert settled == planned == {"public.events": 4, "public.items": 3, "public.raw": 4, "public.weights": 1}


def test_messages_of_a_topic_are_left_to_risingwave_unless_they_are_asked_for(filled: Pair) -> None:
    from millstream.ingest.offsets import Offsets, PartitionId, install_partitions

    install_partitions(filled.here.owner)
    offsets = Offsets(filled.here.owner, "public", "raw")
    claim = offsets.claim(PartitionId("events", 3), "a test")
    offsets.begin(PartitionId("events", 3), claim.number, None, 42)
    with open_snapshot(filled.here.dsn) as snapshot:
        assert [
            (each.relation, each.topic, each.number, each.next_offset) for each in snapshot.partitions
        ] == [("public.raw", "events", 3, 42)]
    assert "raw" not in filled.copy()
    assert filled.verify()["raw"] == "not compared"
    assert filled.copy("raw") == {"raw": (4, 0, 4)}


def test_a_value_keeps_its_declared_type() -> None:
    statement = insert_statement(
        '"public"."t"',
        [("a", "double precision"), ("b", "varchar[]"), ("c", "varchar")],
        [(0.1, ["x'"], None)],
    )
    assert statement == (
        'insert into "public"."t" ("a", "b", "c") values\n'
        "('0.1'::double precision, array['x''']::varchar[], null::varchar)"
    )


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.sql")), ids=lambda path: path.stem)
def test_the_statements_for_every_source_keep_risingwaves_rules(path: Path) -> None:
    text = path.read_text().replace("{{ this }}", path.stem)
    if "create table" not in text:
        return
    table = SourceTable(f"public.{path.stem}", parse_table(text))
    row = [["a;b", None] if type_.endswith("[]") else None for _, type_ in table.columns]
    insert = insert_statement("t", table.columns, [row, row])
    assert [wrong for _, type_ in table.columns for wrong in type_rules(type_)] == []
    assert list(one_statement(insert)) == []
    assert "on conflict" not in insert
    if len(table.key_columns) == 1:
        assert list(one_statement(delete_statement("t", table.key_columns, [("it's;",)]))) == []
