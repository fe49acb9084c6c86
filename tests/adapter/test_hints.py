"""What dbt may show of the engine names remedies that dbt has, and no argument of the engine's Python functions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import millstream

ENGINE = Path(millstream.__file__).parent
SHOWN = ("compiler", "engine", "diagnostics")
ARGUMENTS = re.compile(r"\b(cascade|force|dry_run|deploy_(table|view|sink|function)|conn)\b")


def hints(path: Path) -> list[str]:
    """The texts that a file raises or gives as reasons and hints, without what is put into them."""
    tree = ast.parse(path.read_text())
    raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    raised += [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Diagnostic", "refuse")
    ]
    if path.parent.name == "diagnostics":
        raised = [tree]
    return [
        part.value
        for node in raised
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def test_no_hint_speaks_of_the_engines_functions() -> None:
    files = [file for name in SHOWN for file in (ENGINE / name).rglob("*.py")]
    said = {(file.name, text) for file in files for text in hints(file)}
    assert len(said) > 200
    assert {found for found in said if ARGUMENTS.search(found[1])} == set()
