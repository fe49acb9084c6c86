"""Every class of dbt's public adapter suite is run here or named in not_applicable.py with its reason."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import dbt.tests.adapter

from tests.adapter.not_applicable import NOT_APPLICABLE

SUITE = "dbt.tests.adapter."


def suite_classes() -> dict[str, type]:
    """The suite's classes that hold tests, by name below dbt.tests.adapter; its own ready-made subclasses left out."""
    found: dict[str, type] = {}
    for root in map(Path, dbt.tests.adapter.__path__):
        modules = [".".join(file.relative_to(root).with_suffix("").parts) for file in root.rglob("*.py")]
        for module in sorted(name for name in modules if not name.endswith("__init__")):
            found |= classes_with_tests(module)
    return found


def classes_with_tests(module: str) -> dict[str, type]:
    """Those of one module of the suite."""
    found: dict[str, type] = {}
    for name, member in inspect.getmembers(importlib.import_module(SUITE + module), inspect.isclass):
        holds_tests = any(attribute.startswith("test_") for attribute in dir(member))
        if member.__module__ == SUITE + module and holds_tests and not name.startswith("Test"):
            found[f"{module}.{name}"] = member
    return found


def classes_run_here() -> set[type]:
    """Every class of the suite that a test class of this folder inherits from."""
    found: set[type] = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for name, member in inspect.getmembers(
            importlib.import_module(f"tests.adapter.{file.stem}"), inspect.isclass
        ):
            if name.startswith("Test"):
                found.update(member.__mro__)
    return found


def test_each_class_is_run_or_has_a_reason() -> None:
    suite, run = suite_classes(), classes_run_here()
    for name, reason in sorted(NOT_APPLICABLE.items()):
        print(f"not applicable: {name}: {reason}")
    missing = sorted(
        name for name, member in suite.items() if member not in run and name not in NOT_APPLICABLE
    )
    assert missing == []


def test_the_list_names_only_classes_that_exist_and_are_not_run() -> None:
    suite, run = suite_classes(), classes_run_here()
    assert sorted(set(NOT_APPLICABLE) - set(suite)) == []
    assert sorted(name for name in NOT_APPLICABLE if suite[name] in run) == []
