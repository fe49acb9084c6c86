"""What the README names exists, and what it shows can be run."""

from __future__ import annotations

import re

import pytest

from millstream.cli import COMMANDS
from tests.project import readme
from tests.project.compiled import ROOT
from tests.project.shop import Shop

COMMAND_NAMES = {str(command.name) for command in COMMANDS}


def makefile_targets() -> list[str]:
    return re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_it_is_short() -> None:
    assert len(readme.text().splitlines()) <= 150


@pytest.mark.parametrize("link", sorted(set(readme.links())))
def test_a_linked_file_exists(link: str) -> None:
    assert (ROOT / link.split("#", maxsplit=1)[0]).exists()


def test_the_two_commands_are_the_first_targets_of_a_short_makefile() -> None:
    targets = makefile_targets()
    assert targets[:2] == ["demo", "test"]
    assert len(targets) <= 10
    assert set(readme.make_targets()) <= set(targets)


def test_named_commands_exist_and_every_command_is_named() -> None:
    assert set(readme.millstream_commands()) <= COMMAND_NAMES
    table = re.findall(r"^\| (`.+?) \|", readme.text(), re.MULTILINE)
    named = {word for row in table for word in re.findall(r"`([a-z-]+)", row)}
    assert named >= COMMAND_NAMES


def test_the_shown_queries_run_and_have_the_shown_columns(shop: Shop) -> None:
    shown = [part for part in readme.session() if part.header]
    assert shown
    for part in shown:
        cursor = shop.connection.execute(part.statement)
        assert [column.name for column in cursor.description or ()] == part.header


def test_the_map_has_every_folder() -> None:
    named = set(re.findall(r"\]\(([\w/]+)", readme.text())) | {"src/millstream", "src/dbt"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    unnamed = {folder for folder in folders if not any(name.split("/")[0] == folder for name in named)}
    assert unnamed <= {"target", "logs", "build_hooks", "dist", "dbt_packages"}
