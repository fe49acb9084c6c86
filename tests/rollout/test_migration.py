"""A database of an earlier release gains what this one needs, once, and keeps what it has."""

from __future__ import annotations

import psycopg
import pytest

from millstream.engine import deploy
from millstream.engine.catalog import install
from millstream.errors import MillstreamError


def version(conn: psycopg.Connection) -> str:
    row = conn.execute("select value from millstream.setting where name = 'version'").fetchone()
    assert row is not None
    return str(row[0])


def test_a_catalogue_of_version_1_is_migrated(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(install.resource("schema.sql"))
        assert version(conn) == "1"
        conn.execute("update millstream.setting set value = 'event' where name = 'clock'")
    for _ in range(2):
        with deploy.connect(database) as conn:
            assert version(conn) == install.VERSION
            assert conn.execute("select count(*) from millstream.deployment").fetchone() == (0,)
            kept = conn.execute("select value from millstream.setting where name = 'clock'").fetchone()
            assert kept == ("event",)


def test_a_catalogue_of_a_later_release_is_refused(database: str) -> None:
    with deploy.connect(database) as conn:
        conn.execute("update millstream.setting set value = '999' where name = 'version'")
    with pytest.raises(MillstreamError, match="made by version 999"):
        deploy.connect(database)
