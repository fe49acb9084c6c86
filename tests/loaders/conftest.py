"""Fixtures of the loaders' tests: a real server with a plain PostgreSQL stand-in for the source relations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

STAND_IN = Path(__file__).with_name("stand_in.sql")
WRITER = "loaders_test_writer"
MAKE_WRITER = f"""
do $$
begin
    create role {WRITER} login password 'writer';
exception when duplicate_object or unique_violation then null;
end
$$"""


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database with the stand-in."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(MAKE_WRITER)
        connection.execute(STAND_IN.read_text())
        name = sql.Identifier(conninfo_to_dict(database)["dbname"])
        connection.execute(sql.SQL("grant connect on database {} to {}").format(name, sql.Identifier(WRITER)))
        yield connection


@pytest.fixture
def dsn(database: str, owner: psycopg.Connection) -> str:
    """The connection string of a role that may use the source relations and `millstream.flush()`, nothing else."""
    return make_conninfo(database, user=WRITER, password="writer")
