"""Two servers for all tests here: the project's own functions, and functions that misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.udf_server.calling import Client, Process

CODE = '''
from __future__ import annotations

import threading
import time
from decimal import Decimal

together = threading.Barrier(4)


def half(x):
    """Raises on odd numbers, returns text for 100."""
    if x % 2:
        raise ValueError(f"{x} is odd")
    return "a word" if x == 100 else x // 2


def pair(x):
    """Names an undeclared field for 1, returns a number for 2, a wrong type within for 3, a tuple for 5."""
    odd = {1: {"a": 1, "c": "?"}, 2: 2, 3: {"a": "three", "b": "three"}, 5: (5, "five")}
    return {0: {"a": 0, "b": "zero"}, **odd}.get(x)


def pairs(x):
    return [pair(x), pair(0)]


def everything(truth, small, whole, big, approximate, exact, word, raw, document, numbers):
    return {
        "truth": truth, "small": small, "whole": whole, "big": big, "approximate": approximate, "exact": exact,
        "word": word, "raw": raw, "document": document, "numbers": numbers,
    }


def nothing_at_all():
    return 7


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def meet(x):
    """Returns once four rows are being evaluated at a time."""
    together.wait(timeout=4)
    return x
'''
ALL = (
    "truth boolean, small smallint, whole int, big bigint, approximate double precision, exact numeric, "
    "word varchar, raw bytea, document jsonb, numbers real[]"
)
FUNCTIONS = (
    ("half", "x bigint", "bigint"),
    ("pair", "x int", "struct<a int, b varchar>"),
    ("pairs", "x int", "struct<a int, b varchar>[]"),
    ("everything", ALL, f"struct<{ALL}>"),
    ("nothing_at_all", "", "int"),
    ("sleep", "seconds double precision", "double precision"),
    ("meet", "x int", "int"),
)


def declare(name: str, arguments: str, returns: str, module: str = "udfs/odd.py") -> str:
    """One function's YAML as dbt reads it."""
    listed = [part.strip().split(" ", 1) for part in arguments.split(",") if part]
    lines = "".join(f"      - {{name: {n}, data_type: '{t}'}}\n" for n, t in listed)
    argument_list = f"    arguments:\n{lines}" if lines else ""
    return (
        f"functions:\n  - name: {name}\n    config: {{module: {module}}}\n{argument_list}"
        f"    returns: {{data_type: '{returns}'}}\n"
    )


def write_project(folder: Path) -> Path:
    """A project whose functions misbehave."""
    (folder / "udfs").mkdir(parents=True)
    (folder / "udfs" / "odd.py").write_text(CODE)
    for name, arguments, returns in FUNCTIONS:
        (folder / "udfs" / f"{name}.yml").write_text(declare(name, arguments, returns))
    return folder


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of the project's functions looks for models."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "models").mkdir()
    return folder


@pytest.fixture(scope="package")
def own(home: Path) -> Iterator[Process]:
    """The project's functions."""
    with Process("--watch", "0.1", home=home) as process:
        yield process


@pytest.fixture(scope="package")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Functions that misbehave, two rows at a time in four threads."""
    project = write_project(tmp_path_factory.mktemp("project"))
    with Process("--threads", "4", "--batch", "2", home=project, project=project) as process:
        yield process


@pytest.fixture
def client(own: Process) -> Iterator[Client]:
    client = Client(own.port)
    yield client
    client.close()


@pytest.fixture
def odd_client(odd: Process) -> Iterator[Client]:
    client = Client(odd.port)
    yield client
    client.close()
