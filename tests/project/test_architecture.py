"""The pages about the architecture name files, folders and functions; all of them exist, and no part is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.compiled import ROOT

MAP = ROOT / "docs" / "architecture.md"
WALKS = sorted((ROOT / "docs" / "walks").glob("*.md"))
HOUSE = ROOT / "docs" / "decisions" / "0015-rooms-and-which-way-they-look.md"
PAGES = [MAP, *WALKS, HOUSE, ROOT / "docs" / "howto" / "add-an-operator.md"]
# `folder/`, `folder/file.ext`, and after a file `: name` of what it defines
NAMED = re.compile(r"`([\w.{},-]+(?:/[\w.{},-]+)*(?:/|\.(?:py|sql|yml|toml|md|golden|txt)))(?:: ([\w.]+))?`")
ROOMS = ("src/millstream", "src")  # where a name without a first part of the root is looked for


def found(name: str) -> Path | None:
    """The file or folder that a page means."""
    for place in (ROOT, *(ROOT / room for room in ROOMS)):
        if (place / name).exists():
            return place / name
    return None


def spread(name: str) -> list[str]:
    """`a/{b,c}.py` as the names that it stands for."""
    several = re.search(r"\{([^}]*)\}", name)
    if several is None:
        return [name]
    return [
        each for word in several[1].split(",") for each in spread(name.replace(several[0], word.strip(), 1))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_and_every_name_in_it_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text())
    assert len(named) > 5
    for names, defined in named:
        for name in spread(names):
            path = found(name)
            assert path is not None, f"{page.name} names {name}"
            word = defined.rpartition(".")[2]
            assert not word or re.search(rf"\b{word}\b", path.read_text()), f"{page.name}: {name}: {defined}"


def test_every_folder_with_code_is_on_the_map() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for top in ("src", "loaders", "udfs", "support")
        for path in (ROOT / top).rglob("*.py")
        if "include" not in path.parts
    }
    shown = {found(name) for names, _ in NAMED.findall(MAP.read_text()) for name in spread(names)}
    covered = {each for path in shown if path is not None for each in (path, *path.parents)}
    assert {folder for folder in folders if ROOT / folder not in covered} == set()


def test_the_interface_that_it_tells_is_there() -> None:
    """Every `millstream.…` name of the page can be imported, and takes the arguments that the page shows."""
    import importlib
    import inspect

    lines = re.findall(r"^    (millstream[\w.]+)\(([^)]*)\)", MAP.read_text(), re.MULTILINE)
    assert len(lines) > 8
    for dotted, arguments in lines:
        module, _, name = dotted.rpartition(".")
        defined = getattr(importlib.import_module(module), name)
        wanted = [part.split("=")[0].split(":")[0].strip() for part in arguments.split(",")]
        takes = inspect.signature(defined).parameters
        assert [word for word in wanted if word not in {*takes, "*", "...", ""}] == [], dotted
