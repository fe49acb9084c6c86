"""What is not a backup, not whole, too new or in the way is refused, with the remedy; nothing is made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream.engine.catalog.install import VERSION
from tests.backup.conftest import no_settings  # noqa: F401 - used by every test here
from tests.cli.conftest import program_on
from tests.cli.program import Program
from tests.server.users import USER, python_for


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a home in which nothing is deployed, with a file large enough to be damaged in its middle."""
    folder = tmp_path_factory.mktemp("made")
    for program in program_on(folder / "home"):
        assert program("up").returncode == 0
        (program.home / "models" / "v1.npz").write_bytes(b"vectors" * 10_000)
        assert program("backup", str(folder / "good.backup")).returncode == 0
    return folder / "good.backup"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    yield from program_on(tmp_path / "restored")


def refused(program: Program, file: Path) -> str:
    """What a restore says that makes nothing."""
    before = sorted(file.parent.iterdir())
    answer = program("restore", str(file))
    assert answer.returncode == 1, answer.stdout
    assert sorted(file.parent.iterdir()) == before
    assert "hint" in answer.stderr or "Remedy" in answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stderr


def changed(file: Path, path: Path, **changes: Any) -> Path:
    """A copy whose manifest says something else."""
    with zipfile.ZipFile(file) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            content = given.read(name)
            if name == "manifest.json":
                content = json.dumps(json.loads(content) | changes).encode()
            made.writestr(name, content)
    return path


def test_the_good_one_is_whole(program: Program, file: Path) -> None:
    answer = program("restore", str(file), "--check")
    assert (answer.returncode, "is whole" in answer.stdout) == (0, True), answer.stderr
    assert not program.home.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off(program: Program, file: Path, tmp_path: Path, share: float) -> None:
    content = file.read_bytes()
    cut = tmp_path / "cut.backup"
    cut.write_bytes(content[: int(len(content) * share)])
    assert "is not a whole backup" in refused(program, cut)


@pytest.mark.parametrize("place", [b"PGDMP", b"vectorsvectors", b"sha256", b"CREATE ROLE"])
def test_a_changed_byte(program: Program, file: Path, tmp_path: Path, place: bytes) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(place) + 2] ^= 1
    damaged = tmp_path / "damaged.backup"
    damaged.write_bytes(content)
    assert "damaged" in refused(program, damaged)


def test_other_files(program: Program, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a backup")
    assert "is not a whole backup" in refused(program, text)
    missing = refused(program, tmp_path / "missing.backup")
    assert "there is no such file" in missing and "missing.backup" in missing
    shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path, "notes.txt")
    assert "is not a backup of Millstream" in refused(program, tmp_path / "other.zip")


def test_what_a_newer_release_made(program: Program, file: Path, tmp_path: Path) -> None:
    newer = changed(file, tmp_path / "format.backup", format=2, millstream="9.1", extra="unknown here")
    assert "newer release (9.1)" in refused(program, newer)
    newer = changed(file, tmp_path / "catalogue.backup", catalogue=str(int(VERSION) + 1), millstream="9.1")
    assert "made by millstream 9.1" in refused(program, newer)


def test_what_a_newer_postgresql_made(program: Program, file: Path, tmp_path: Path) -> None:
    newer = changed(file, tmp_path / "major.backup", postgresql="99.1")
    said = refused(program, newer)
    assert "made by PostgreSQL 99.1" in said
    assert "MILLSTREAM_PG_BIN" in said


def test_a_member_that_would_lie_outside(program: Program, file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(file) as given:
        manifest = json.loads(given.read("manifest.json"))
    members = {
        name.replace("home/models/", "home/../../"): member for name, member in manifest["members"].items()
    }
    moved = changed(file, tmp_path / "outside.backup", members=members)
    assert "damaged" in refused(program, moved)


def test_a_home_that_is_not_empty(program: Program, file: Path) -> None:
    program.home.mkdir()
    (program.home / "notes").write_text("mine")
    assert "overwrites nothing" in refused(program, file)
    assert [path.name for path in program.home.iterdir()] == ["notes"]


def test_an_empty_directory_is_used(program: Program, file: Path) -> None:
    program.home.mkdir()
    assert program("restore", str(file), "--home", str(program.home)).returncode == 0
    assert program("up").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_it_only_when_it_is_theirs_and_then_owns_the_home(file: Path) -> None:
    found = python_for(USER)
    if found is None:
        pytest.skip("no Python here can be run, with the project's packages, by a normal user")
    python, environment = found
    folder = Path(tempfile.mkdtemp(prefix="millstream-theirs-", dir="/tmp"))
    theirs = shutil.copy(file, folder / "good.backup")
    os.chmod(theirs, 0o600)
    os.chown(folder, USER, USER)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [
            python,
            "-c",
            "from millstream.cli import main; main()",
            "--home",
            str(folder / "home"),
            *arguments,
        ]
        return subprocess.run(
            argv, user=USER, group=USER, extra_groups=[], cwd="/", env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    try:
        answer = run("restore", str(theirs))
        assert (answer.returncode, "Permission denied" in answer.stderr) == (1, True), answer.stderr
        assert "hint" in answer.stderr
        os.chown(theirs, USER, USER)
        answer = run("restore", str(theirs))
        assert answer.returncode == 0, answer.stderr
        assert (folder / "home" / "data").stat().st_uid == USER
        assert run("up").returncode == 0
        assert run("down").returncode == 0
    finally:
        shutil.rmtree(folder)
