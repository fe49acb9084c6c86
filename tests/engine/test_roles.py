"""Who may do what: the writer sees and writes sources alone, the reader reads serving views alone."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import millstream.server
from tests.engine.engine import Engine
from tests.engine.running import running

T = "create table t (k integer primary key, v integer)"
INNER = "create materialized view feat_v as select k, v from t"
SERVED = "create materialized view serve_v as select k, v from feat_v"
PLAIN = "create view serve_plain as select k, v from feat_v where v > 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[millstream.server.Server]:
    with millstream.server.open(tmp_path_factory.mktemp("roles")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(server: millstream.server.Server) -> Iterator[Engine]:
    """An engine in the server's own database, where the roles are."""
    with Engine(server.dsn("owner")) as engine:
        engine.deploy_all(T, INNER, SERVED, PLAIN)
        engine.write("insert into t values (1, 1), (2, 2)")
        yield engine


def connect(server: millstream.server.Server, role: str) -> psycopg.Connection:
    return psycopg.connect(server.dsn(role), autocommit=True)


def test_the_reader_reads_serving_views(server: millstream.server.Server, shop: Engine) -> None:
    with connect(server, "reader") as reader:
        assert reader.execute("select k from serve_v order by k").fetchall() == [(1,), (2,)]
        assert reader.execute("select k from serve_plain").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from t",
        "select * from feat_v",
        'select * from millstream_data."serve_v@1"',
        "select * from millstream.relation",
    ],
)
def test_the_reader_reads_nothing_else(
    server: millstream.server.Server, shop: Engine, statement: str
) -> None:
    with connect(server, "reader") as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t values (9, 9)",
        "delete from serve_v",
        "create table mine (k integer)",
        "drop view serve_v",
    ],
)
def test_the_reader_changes_nothing(server: millstream.server.Server, shop: Engine, statement: str) -> None:
    with (
        connect(server, "reader") as reader,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
    ):
        reader.execute(statement.encode())


def test_the_writer_writes_sources_and_waits_for_the_views(
    server: millstream.server.Server, shop: Engine
) -> None:
    shop.release()
    with running(shop.dsn), connect(server, "writer") as writer:
        writer.execute("insert into t values (3, 3), (4, 4)")
        with writer.cursor() as cursor, cursor.copy("copy t from stdin") as copy:
            copy.write_row((5, 5))
        writer.execute("call millstream.flush()")
        writer.execute("update t set v = 30 where k = 3")
        writer.execute("call millstream.flush()")
        assert writer.execute("select v from t where k >= 3 order by k").fetchall() == [(30,), (4,), (5,)]
        writer.execute("delete from t where k >= 3")
        writer.execute("call millstream.flush()")
        assert writer.execute("select count(*) from t").fetchone() == (2,)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from serve_v",
        "select * from feat_v",
        "select * from millstream_data.t",
        "insert into millstream_data.t values (9, 9)",
        "insert into millstream_data.t__queue (seq$, pos$, cut$, w$, k, v) values (1, 1, true, 1, 9, 9)",
        "update millstream.clock set tick = 0",
        "create table mine (k integer)",
        "drop table t",
        "truncate millstream_data.t",
    ],
)
def test_the_writer_does_nothing_else(server: millstream.server.Server, shop: Engine, statement: str) -> None:
    with connect(server, "writer") as writer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.execute(statement.encode())


def test_the_owners_plain_names_mean_schema_public(server: millstream.server.Server, shop: Engine) -> None:
    """The owner is called like the schema of the catalogue, in which nothing must be found or made by accident."""
    with connect(server, "owner") as owner:
        assert owner.execute("select current_schema()").fetchone() == ("public",)
        with pytest.raises(psycopg.errors.UndefinedTable):
            owner.execute("select * from state")


def test_a_replaced_view_is_still_the_readers(server: millstream.server.Server, shop: Engine) -> None:
    shop.deploy(SERVED.replace("k, v from", "v, k, k + v as s from"))
    shop.deploy(INNER.replace("k, v from", "k, v, 1 as one from"))
    with connect(server, "reader") as reader:
        assert reader.execute("select s from serve_v order by s").fetchall() == [(2,), (4,)]
        assert reader.execute("select k from serve_plain").fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("served", "leaks"),
    [
        ("create view serve_shown as select k, v from feat_v where v > 1", "1 / (v - 1) = 1"),
        (
            "create view serve_shown as select k, v from feat_v where v > 1",
            "cast(repeat('x', v) as integer) = 1",
        ),
        ("create materialized view serve_shown as select k, v from feat_v where v > 1", "1 / (v - 1) = 1"),
    ],
)
def test_a_reader_s_condition_meets_no_hidden_row(
    server: millstream.server.Server, shop: Engine, served: str, leaks: str
) -> None:
    """A row that is hidden would make the condition fail, and the error tell of it."""
    shop.deploy(served)
    with connect(server, "reader") as reader:
        if "1 /" in leaks:
            assert reader.execute(f"select k from serve_shown where {leaks}".encode()).fetchall() == [(2,)]
        else:
            with pytest.raises(psycopg.errors.InvalidTextRepresentation) as told:
                reader.execute(f"select k from serve_shown where {leaks}".encode())
            assert '"xx"' in str(told.value)  # of the row that is shown
    shop.drop("serve_shown")


def test_served_views_keep_their_barrier_and_others_have_none(
    server: millstream.server.Server, shop: Engine
) -> None:
    def guarded() -> list[str]:
        return [
            name
            for (name,) in shop.rows(
                "select relname from pg_class where relnamespace = 'public'::regnamespace"
                " and reloptions @> array['security_barrier=true'] order by 1"
            )
        ]

    assert guarded() == ["serve_plain", "serve_v"]
    shop.deploy(INNER.replace("k, v from", "v, k, 2 as two from"))  # other columns: dropped and made again
    shop.deploy(SERVED.replace("k, v from", "v as w, k from"))
    assert guarded() == ["serve_plain", "serve_v"]
    assert shop.deploy(PLAIN).action == "unchanged"


def test_a_database_of_before_gets_the_barrier_and_the_triggers_when_its_worker_starts(
    server: millstream.server.Server, shop: Engine
) -> None:
    shop.release()
    shop.execute("alter view serve_plain reset (security_barrier)")
    shop.execute(
        "create or replace trigger millstream_removed after delete on t execute function millstream.begin_insertion()"
    )
    shop.execute("update millstream.state set detail = detail - 'triggers'")
    shop.tick()
    assert shop.value("select reloptions from pg_class where relname = 'serve_plain'") == [
        "security_barrier=true"
    ]
    shop.write("delete from t where k = 1")
    assert shop.rows("select k from feat_v") == [(2,)]
    shop.write("insert into t values (1, 1)")


def test_a_wrong_password_is_refused(server: millstream.server.Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(server.dsn("reader"), password="guess"))
