"""Users and grants of RisingWave, tried where users and grants mean the same: in PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.production.files import ROOT
from tests.production.roles import roles

WORDS = {name: name.lower() for name in roles.PASSWORDS.values()}


@pytest.fixture
def users(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Role → user name, as users are the whole server's; gone after the test."""
    suffix = secrets.token_hex(4)
    names = {role: f"test_{role.lower()}_{suffix}" for role in ("WRITER", "READER", "MONITOR")}
    for role, name in names.items():
        monkeypatch.setattr(roles, role, name)
    monkeypatch.setattr(roles, "KINDS", dict.fromkeys("rmv", "TABLE"))  # PostgreSQL's word for all three
    yield names
    with psycopg.connect(database, autocommit=True) as connection:
        for name in names.values():
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop user {}").format(sql.Identifier(name)))


def test_missing_passwords_are_named_together() -> None:
    with pytest.raises(
        roles.SetupError, match="RISINGWAVE_WRITER_PASSWORD, RISINGWAVE_READER_PASSWORD.*not set.*.env"
    ):
        roles.passwords({"RISINGWAVE_PASSWORD": "x", "RISINGWAVE_MONITOR_PASSWORD": "y"})


def test_root_gets_its_password_before_anybody_else_exists() -> None:
    """What is there is altered first: until then root has none."""
    statements = [text.as_string() for text in roles.account_statements(roles.passwords(WORDS), ["root"])]
    assert statements[0] == "ALTER USER \"root\" WITH PASSWORD 'risingwave_password'"
    assert [text.split()[0] for text in statements[1:]] == ["CREATE"] * 3


def test_a_password_is_quoted() -> None:
    (statement,) = roles.account_statements({"x": "it's"}, ["x"])
    assert statement.as_string() == "ALTER USER \"x\" WITH PASSWORD 'it''s'"


def test_a_kind_of_relation_is_called_what_risingwave_calls_it() -> None:
    relations = [("serve_a", "v"), ("serve_b", "m"), ("events", "r"), ("events_sink", "k")]
    granted = [text.as_string() for text in roles.grant_statements(relations, "public", "dev")]
    assert 'GRANT SELECT ON VIEW "public"."serve_a" TO "millstream_reader"' in granted
    assert 'GRANT SELECT ON MATERIALIZED VIEW "public"."serve_b" TO "millstream_reader"' in granted
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."events" TO "millstream_writer"' in granted
    assert not [text for text in granted if "events_sink" in text]
    assert 'GRANT USAGE ON SCHEMA "public" TO "millstream_reader"' in granted


def test_the_writer_s_relations_are_sources_of_the_project() -> None:
    assert {path.stem for path in (ROOT / "sql" / "sources").glob("*.sql")} >= roles.SOURCES


def test_each_user_can_do_its_work_and_nothing_else(database: str, users: dict[str, str]) -> None:
    relations = [("events", "r"), ("serve_list", "v"), ("rank_user_list", "m"), ("ranking_weights", "r")]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table events (event_id varchar primary key)")
        connection.execute("create table ranking_weights (variant varchar primary key)")
        connection.execute("create materialized view rank_user_list as select event_id from events")
        connection.execute("create view serve_list as select event_id from rank_user_list")
        for _ in range(2):  # both may be repeated
            present = [row[0] for row in connection.execute("select usename from pg_user")]
            for statement in roles.account_statements(dict.fromkeys(users.values(), "secret"), present):
                connection.execute(statement)
            for statement in roles.grant_statements(
                relations, "public", str(conninfo_to_dict(database)["dbname"])
            ):
                connection.execute(statement)
    allowed = {
        ("WRITER", "insert into events values ('a')"),
        ("WRITER", "select event_id from events"),
        ("READER", "select event_id from serve_list"),
        ("MONITOR", "select event_id from rank_user_list"),
    }
    for role, user in users.items():
        with psycopg.connect(
            make_conninfo(database, user=user, password="secret"), autocommit=True
        ) as connection:
            for statement in {text for _, text in allowed} | {"delete from ranking_weights"}:
                try:
                    connection.execute(statement)
                    done = True
                except psycopg.errors.InsufficientPrivilege:
                    done = False
                assert done == ((role, statement) in allowed), (role, statement)


def test_a_server_that_is_not_there_is_said_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(roles.SetupError, match="docker compose ps"):
        roles.set_accounts({**WORDS, "RISINGWAVE_HOST": "127.0.0.1", "RISINGWAVE_PORT": "1"})
    assert roles.main(["nonsense"]) == 2
    assert "accounts" in capsys.readouterr().err
