"""Imports go one way: no circle among modules, and none among folders.

Which way they go is in pyproject.toml, for import-linter. It cannot see the adapters, which lie in a
package of dbt's; here every package is read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "millstream": "src/millstream",
    "udf_server": "src/udf_server",
    "dbt_millstream": "src/dbt_millstream",
    "loaders": "loaders",
    "udfs": "udfs",
    "support": "support",
    **{
        f"dbt.adapters.{path.name}": f"src/dbt/adapters/{path.name}"
        for path in (ROOT / "src/dbt/adapters").glob("millstream*")
    },
}

Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module's name and file."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in (ROOT / folder).rglob("*.py"):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """The names that a file imports, anywhere in it: each may be a module, or something in the one before the last dot."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports() -> Graph:
    """Which modules each module imports."""
    known = modules()
    graph: Graph = {name: set() for name in known}
    for name, file in known.items():
        for wanted in imported(file):
            module = wanted if wanted in known else wanted.rpartition(".")[0]
            if module in known and module != name:
                graph[name].add(module)
    return graph


def between_folders(graph: Graph) -> Graph:
    """Which folders the modules of each folder import from."""
    folders = {name: str(file.parent.relative_to(ROOT)) for name, file in modules().items()}
    found: Graph = {folder: set() for folder in folders.values()}
    for name, wanted in graph.items():
        found[folders[name]] |= {folders[module] for module in wanted} - {folders[name]}
    return found


def circle(graph: Graph) -> list[str]:
    """One circle of a graph, each imported by the next; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(imports()) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    assert circle(between_folders(imports())) == []


def test_a_circle_would_be_seen() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    graph = imports()
    assert "dbt_millstream.statement" in graph["dbt_millstream"]
    assert len(graph) > 300 and sum(map(len, graph.values())) > 1_000
