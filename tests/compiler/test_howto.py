"""The page about adding an operator names files and functions; all of them exist."""

from __future__ import annotations

import re
from pathlib import Path

from millstream.compiler.algebra import operators as nodes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "add-an-operator.md"
NAMED = re.compile(r"`([\w/]+\.(?:py|golden))(?::\s+(\w+))?`")


def test_every_file_and_every_name_in_it_exists() -> None:
    found = NAMED.findall(PAGE.read_text())
    assert len(found) > 25
    for file, name in found:
        path = ROOT / file if file.startswith(("tests/", "support/")) else ROOT / "src" / "millstream" / file
        assert path.exists(), file
        assert not name or re.search(rf"\b{name}\b", path.read_text()), f"{file}: {name}"


def test_every_operator_that_it_names_exists() -> None:
    for word in re.findall(r"`([A-Z][a-z]\w+)`", PAGE.read_text()):
        assert hasattr(nodes, word) or word == "Fault", word
