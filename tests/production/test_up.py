"""`make up TARGET=risingwave`: what it needs, it asks for before it starts anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.production.files import DEPLOY, ROOT

PARTS = ("up", "risingwave/roles.py")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A clone with what the script needs, and a PATH on which `python` is this one and docker is not."""
    for part in PARTS:
        target = tmp_path / "deploy" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEPLOY / part, target)
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "mkdir"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def run(copy: Path) -> tuple[int, str]:
    answer = subprocess.run(
        ["/bin/sh", str(copy / "deploy" / "up")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={"PATH": str(copy / "bin"), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return answer.returncode, answer.stderr


def install_docker(copy: Path) -> None:
    """A docker that has compose and fails at everything else, so that nothing can be started."""
    program = copy / "bin" / "docker"
    program.write_text('#!/bin/sh\n[ "$*" = "compose version" ]\n')
    program.chmod(0o755)


def test_without_docker_it_says_where_to_get_it(copy: Path) -> None:
    code, said = run(copy)
    assert code == 1 and said.startswith("error: docker compose is needed")


def test_without_a_configuration_it_says_how_to_make_one(copy: Path) -> None:
    install_docker(copy)
    code, said = run(copy)
    assert code == 1 and "cp .env.example .env" in said


def test_without_passwords_it_names_them_and_starts_nothing(copy: Path) -> None:
    install_docker(copy)
    shutil.copy(ROOT / ".env.example", copy / ".env")
    code, said = run(copy)
    assert code == 1 and "RISINGWAVE_PASSWORD, RISINGWAVE_WRITER_PASSWORD" in said
    assert not (copy / ".millstream").exists()


def test_a_part_that_does_not_become_healthy_says_where_to_look(copy: Path) -> None:
    install_docker(copy)
    lines = (ROOT / ".env.example").read_text().splitlines()
    (copy / ".env").write_text(
        "".join(f"{line}x\n" if line.endswith("PASSWORD=") else f"{line}\n" for line in lines)
    )
    code, said = run(copy)
    assert code == 1 and "docker compose ps" in said


@pytest.mark.parametrize("name", ["up", "down"])
def test_the_makefile_runs_the_script_for_that_target_alone(name: str) -> None:
    own = {"PATH": os.environ["PATH"]}  # what an outer make sets would be passed on

    def dry(*arguments: str) -> str:
        return subprocess.run(
            ["make", "-n", name, *arguments], cwd=ROOT, env=own, capture_output=True, text=True, check=True
        ).stdout

    assert dry("TARGET=risingwave").rstrip().endswith(f"deploy/{name}")
    assert dry().rstrip().endswith(f"millstream {name}")
    assert os.access(DEPLOY / name, os.X_OK)
