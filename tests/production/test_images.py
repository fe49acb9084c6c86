"""The two images: pinned, small, not root, and with everything that their code imports."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.production.files import DEPLOY, ROOT, pinned, services

IMAGES = {"udf-server": "udfs", "loader": "loaders"}


def instructions(image: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments."""
    text = (DEPLOY / image / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines]


def imported(folder: Path) -> set[str]:
    """Top-level names of what a package's code imports, other than the standard library and itself."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(str(node.module).split(".")[0])
    return names - set(sys.stdlib_module_names) - {folder.name}


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_an_exact_version(image: str) -> None:
    bases = [arguments for name, arguments in instructions(image) if name == "FROM"]
    assert len(bases) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])


@pytest.mark.parametrize("image", IMAGES)
def test_it_does_not_run_as_root(image: str) -> None:
    found = instructions(image)
    users = [arguments for name, arguments in found if name == "USER"]
    assert len(users) == 1 and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0])
    after = [name for name, _ in found[[name for name, _ in found].index("USER") :]]
    assert "RUN" not in after and "COPY" not in after


@pytest.mark.parametrize("image", IMAGES)
def test_packages_are_installed_by_hash_alone(image: str) -> None:
    installs = [a for name, a in instructions(image) if name == "RUN" and "pip install" in a]
    assert len(installs) == 1
    assert {"--require-hashes", "--no-deps", "--no-cache-dir"} <= set(installs[0].split())
    assert not [name for name, arguments in instructions(image) if name == "ADD" or "curl" in arguments]


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_is_there_and_is_sent(image: str) -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, arguments in instructions(image):
        if name == "COPY":
            source = arguments.split()[0]
            assert (ROOT / source).exists(), source
            assert sent & {source, *map(str, Path(source).parents)}, f"{source} is in .dockerignore"


@pytest.mark.parametrize("image", IMAGES)
def test_packages_are_those_that_are_tested(image: str) -> None:
    tested = pinned(ROOT / "constraints.txt")
    wanted = pinned(DEPLOY / image / "requirements.txt")
    asked = {
        canonicalize_name(line.split("[")[0])
        for line in (DEPLOY / image / "requirements.in").read_text().split()
    }
    assert asked <= {canonicalize_name(name) for name in wanted}
    text = (ROOT / "constraints.txt").read_text()
    for name, (version, hashes) in wanted.items():
        assert f"{name}=={version}" in re.sub(r"\[[\w,]+\]", "", text), (
            f"{name} {version} is not in constraints.txt"
        )
        assert hashes and hashes <= set(re.findall(r"--hash=(\S+)", text)), name
    assert tested


@pytest.mark.parametrize("image", IMAGES)
def test_what_its_code_imports_is_installed(image: str) -> None:
    distributions = packages_distributions()
    names = {canonicalize_name(name) for name in pinned(DEPLOY / image / "requirements.txt")}
    needed = imported(ROOT / IMAGES[image])
    assert needed
    for module in needed:
        assert {canonicalize_name(name) for name in distributions[module]} & names, (
            f"{module} is not installed"
        )


def test_the_ports_of_the_image_are_those_of_the_program() -> None:
    from udf_server.command import command

    defaults = {option.name: option.default for option in command.params}
    (exposed,) = [arguments for name, arguments in instructions("udf-server") if name == "EXPOSE"]
    assert exposed == f"{defaults['port']} {defaults['metrics_port']}"
    assert f"udf-server:{defaults['port']}" in (DEPLOY / "up").read_text()
    options = {opt for option in command.params for opt in option.opts}
    assert {word for word in services()["udf-server"]["command"] if word.startswith("--")} <= options
