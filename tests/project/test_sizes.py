"""One job per file, one name per thing: modules and functions stay as short as that keeps them."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
ROOMS = ("src", "loaders", "udfs", "support")
LONGEST_MODULE = 350
HALF_OF_THE_MODULES = 120
LONGEST_FUNCTION = 60

MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def lines_of(module: Path) -> int:
    return len(module.read_text(encoding="utf-8").splitlines())


def says_why(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> bool:
    """Whether a comment gives the reason of a function's length: in the line above it, or before its first statement."""
    above = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)]) - 1
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    begins = statements[0].lineno if statements else function.lineno
    return any(
        line.lstrip().startswith("# ") for line in lines[above - 1 : above] + lines[function.lineno : begins]
    )


def test_a_module_has_at_most_350_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines_of(path) for path in MODULES if lines_of(path) > LONGEST_MODULE
    }
    assert long == {}


def test_half_of_the_modules_have_at_most_120_lines() -> None:
    assert median(map(lines_of, MODULES)) <= HALF_OF_THE_MODULES


def test_a_function_of_more_than_60_lines_says_why() -> None:
    long = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > LONGEST_FUNCTION and not says_why(node, text.splitlines()):
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {size} lines")
    assert long == []


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
