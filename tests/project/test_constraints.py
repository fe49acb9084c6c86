"""Every dependency is pinned with hashes, and the file names no index and no machine."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.compiled import ROOT

TEXT = (ROOT / "constraints.txt").read_text()
PINS = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(\S+)(.*?)(?=^\S|\Z)", TEXT, re.MULTILINE | re.DOTALL)


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    """After a change of pyproject.toml: CONTRIBUTING.md has the command that writes the file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for group in project["optional-dependencies"].values() for name in group),
    ]
    pinned: dict[str, set[str]] = {}
    for name, version, _ in PINS:
        pinned.setdefault(canonicalize_name(name), set()).add(version)
    for requirement in map(Requirement, wanted):
        if requirement.name == project["name"]:
            continue
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in constraints.txt"
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{requirement}: {versions}"
        )


def test_every_pin_has_a_hash() -> None:
    assert len(PINS) > 50
    assert [name for name, _, rest in PINS if "--hash=sha256:" not in rest] == []


def test_no_address_and_no_path_is_recorded() -> None:
    assert re.findall(r"://|^-|\s/\w+|file:", TEXT, re.MULTILINE) == []
