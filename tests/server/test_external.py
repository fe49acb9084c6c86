"""A server of one's own, named by MILLSTREAM_DSN; here a second server plays it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.server import Server, ServerError, external, rights


@pytest.fixture
def own(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server without our application roles."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for role in ("millstream_reader", "millstream_writer"):
            connection.execute(f"drop owned by {role}")
            connection.execute(f"drop role {role}")
    monkeypatch.setenv("MILLSTREAM_DSN", server.dsn())
    return server


def test_it_is_used_given_the_roles_and_never_stopped(own: Server, tmp_path: Path) -> None:
    with millstream.server.open(tmp_path / "other") as attached:
        assert (attached.external, attached.port, attached.pid) == (True, own.port, None)
        for role, name in (
            ("owner", "millstream"),
            ("writer", "millstream_writer"),
            ("reader", "millstream_reader"),
        ):
            with psycopg.connect(attached.dsn(role)) as connection:
                assert connection.execute(
                    "select current_user::text, current_setting('timezone')"
                ).fetchone() == (
                    name,
                    "UTC",
                )
        dsns = [attached.dsn("writer"), attached.dsn("reader")]
        attached.stop()
    assert own.is_alive()
    assert not (tmp_path / "other" / "data").exists()
    with millstream.server.open(tmp_path / "other") as again:
        assert [again.dsn("writer"), again.dsn("reader")] == dsns
    found = millstream.server.find(tmp_path / "other")
    assert found is not None
    assert found.dsn("reader") == dsns[1]


def test_roles_of_another_home_are_not_touched(own: Server, tmp_path: Path) -> None:
    with millstream.server.open(tmp_path / "one") as one:
        with pytest.raises(ServerError, match="millstream_writer exists on .*another home made it"):
            millstream.server.open(tmp_path / "two")
        psycopg.connect(one.dsn("writer")).close()


def test_a_user_who_may_not_make_roles_is_told_what_to_run(
    own: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(own.dsn(), autocommit=True) as connection:
        connection.execute("create role plain login password 'plain'")
        connection.execute("grant all on database millstream to plain")
        monkeypatch.setenv("MILLSTREAM_DSN", f"postgresql://plain:plain@127.0.0.1:{own.port}/millstream")
        with pytest.raises(ServerError, match="alter role plain createrole"):
            millstream.server.open(tmp_path / "other")
        connection.execute("alter role plain createrole")
        with pytest.raises(ServerError, match=r"As a superuser, again: psql -d millstream -f \S+rights.sql"):
            millstream.server.open(tmp_path / "other")
        rights.close(connection)
        with pytest.raises(ServerError, match="grant connect on database millstream to public"):
            millstream.server.open(tmp_path / "other")
        connection.execute("grant connect on database millstream to plain with grant option")
        with millstream.server.open(tmp_path / "other") as attached:
            psycopg.connect(attached.dsn("reader")).close()
            with psycopg.connect(attached.dsn("owner")) as plain:
                assert rights.open_doors(plain) == ["fill the disk with temporary files"]
        connection.execute("revoke create on database millstream from plain")
        with pytest.raises(ServerError, match="grant create on database millstream to plain"):
            millstream.server.open(tmp_path / "other")


def test_an_older_version_is_refused(own: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "OLDEST_MAJOR", 99)
    with pytest.raises(ServerError, match="is PostgreSQL 18; Millstream needs 99 or newer"):
        millstream.server.open(tmp_path / "other")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_DSN", "postgresql://u:p@127.0.0.1:1/x")
    with pytest.raises(ServerError, match="MILLSTREAM_DSN cannot be connected to"):
        millstream.server.open(tmp_path / "other")
    assert millstream.server.find(tmp_path / "other") is None
