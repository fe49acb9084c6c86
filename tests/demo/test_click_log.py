"""The page "My own click log in ten minutes", followed by its own text: files, commands and what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project.compiled import ROOT

PAGE = ROOT / "docs" / "howto" / "my-own-click-log.md"
FILE = re.compile(r"`([\w.]+)`[^`]*:\n\n((?:    .*\n)+)")
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
# What differs from run to run: seconds, rates, moments, scores.
FIGURES = re.compile(r"\d[\d,]*\.\d+|\d[\d,]*(?= rows/s)")
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Step:
    """A command of the page and what stands below it."""

    command: str
    output: str


def steps() -> list[Step]:
    found = []
    for block in CONSOLE.findall(PAGE.read_text()):
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append(Step(command, output))
    return found


def files() -> dict[str, str]:
    return {
        name: re.sub(r"^    ", "", text, flags=re.MULTILINE) for name, text in FILE.findall(PAGE.read_text())
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("click-log")
    for name, text in files().items():
        (made / name).write_text(text, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLSTREAM_")}
    made = clean | {
        "MILLSTREAM_HOME": str(folder / "home"), "DBT_TARGET_PATH": str(folder / "target"), "COLUMNS": "110"
    }  # fmt: skip
    yield made
    down = subprocess.run(
        [program("millstream"), "down"], cwd=ROOT, env=made, capture_output=True, text=True, check=False
    )
    assert down.returncode == 0, down.stderr


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def plain(text: str, folder: Path) -> list[str]:
    """Lines without what differs between runs, places of files and spaces at their ends."""
    text = FIGURES.sub("#", text.replace(f"{folder}/", ""))
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.strip().splitlines()]


def test_the_page_has_the_files_that_it_loads() -> None:
    named = {
        word for step in steps() for word in step.command.split() if word.endswith((".csv", ".jsonl", ".yml"))
    }
    assert set(files()) == named
    assert len(named) == 4


def test_every_command_prints_what_the_page_shows(folder: Path, environment: dict[str, str]) -> None:
    done = steps()
    assert len(done) == 10
    for step in done:
        name, *arguments = [str(folder / word) if word in files() else word for word in step.command.split()]
        ran = subprocess.run(
            [program(name), *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{step.command}\n{ran.stdout}"
        if step.output:
            assert plain(ran.stdout, folder) == plain(step.output, folder), step.command
