"""Where the adapter looks for the server, and what it says when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream.credentials import MillstreamCredentials
from millstream.server import Server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLSTREAM_DSN", raising=False)
    monkeypatch.delenv("MILLSTREAM_HOME", raising=False)


def from_profile(**target: object) -> MillstreamCredentials:
    """Credentials as dbt makes them from a target of profiles.yml."""
    data = MillstreamCredentials.translate_aliases(dict(target))
    MillstreamCredentials.validate(data)
    return MillstreamCredentials.from_dict(data)


def test_an_empty_target_means_the_home_in_the_project_and_schema_public(tmp_path: Path) -> None:
    credentials = from_profile()
    credentials.project_root = str(tmp_path)
    assert (credentials.database, credentials.schema) == ("millstream", "public")
    assert credentials.home_directory() == tmp_path / ".millstream"


def test_the_home_of_the_profile_comes_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "other"))
    assert from_profile().home_directory() == tmp_path / "other"
    assert from_profile(home=str(tmp_path / "mine")).home_directory() == tmp_path / "mine"


def test_without_a_server_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(DbtRuntimeError, match=r"no server runs .* Start it: millstream up") as caught:
        from_profile(home=str(tmp_path)).located()
    assert "MILLSTREAM_DSN" in str(caught.value)


def test_the_running_server_of_the_home_is_found(engine_home: Path) -> None:
    located = from_profile(home=str(engine_home)).located()
    assert located.host == "127.0.0.1"
    assert located.port
    assert located.password


def test_a_server_named_in_the_profile_is_taken_as_it_is() -> None:
    located = from_profile(host="db", user="me", **{"pass": "secret", "dbname": "shop"}).located()
    assert (located.host, located.port, located.user, located.password, located.database) == (
        "db",
        5432,
        "me",
        "secret",
        "shop",
    )


def test_millstream_dsn_names_the_server_and_the_database(
    engine_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_DSN", engine_server.dsn("owner"))
    credentials = from_profile(home=str(tmp_path))
    assert credentials.database == "millstream"
    assert credentials.located().port == engine_server.port


def test_a_damaged_dsn_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_DSN", "not a connection string")
    with pytest.raises(DbtRuntimeError, match="MILLSTREAM_DSN is not a PostgreSQL connection string"):
        from_profile()


def test_passwords_are_not_among_what_dbt_prints() -> None:
    shown = dict(from_profile(host="db", password="secret").connection_info())
    assert shown["host"] == "db"
    assert "secret" not in shown.values()
