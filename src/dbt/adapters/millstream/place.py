"""Finds where a place in compiled SQL stands in the file that its author wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """A file of the project with a line and a column, both from 1; column is None where Jinja wrote the text."""

    path: str
    line: int | None
    column: int | None


def place_in_project(
    model: Mapping[str, Any],
    nodes: Mapping[str, Mapping[str, Any]],
    line: int | None,
    column: int | None,
    project_root: Path,
) -> Place:
    """Map a place in a model's compiled SQL to the model's file, or to the file of an ephemeral model inlined in it.

    `model` and `nodes` are dbt's node dictionaries (`model` and `graph.nodes` of the Jinja context).
    """
    if line is None:
        return Place(model["original_file_path"], None, None)
    compiled = model.get("compiled_code") or ""
    for inlined in model.get("extra_ctes") or ():
        text, node = inlined.get("sql"), nodes.get(inlined["id"])
        at = compiled.find(text) if text else -1
        if node is None or at < 0:
            continue
        first = compiled.count("\n", 0, at) + 1
        if first <= line <= first + text.count("\n"):
            return _place_in_file(
                node, text, line - first + 1, column if line > first else None, project_root
            )
    return _place_in_file(model, compiled, line, column, project_root)


def _place_in_file(
    node: Mapping[str, Any], compiled: str, line: int, column: int | None, project_root: Path
) -> Place:
    path = node["original_file_path"]
    written = _text_of(node, project_root / path).splitlines()
    rendered = compiled.splitlines()
    at = line - 1
    if not written or at >= len(rendered):
        return Place(path, None, None)
    # Jinja leaves most lines as they are; those anchor the others.
    matcher = SequenceMatcher(None, rendered, written, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if not first <= at < last:
            continue
        if kind == "equal":
            return Place(path, start + at - first + 1, column)
        target = min(start + at - first, max(end - 1, start), len(written) - 1)
        return Place(path, target + 1, _column_of(rendered[at], written[target], column))
    return Place(path, None, None)


def _text_of(node: Mapping[str, Any], file: Path) -> str:
    """The file as it is on disk; dbt's copy, which lacks leading blank lines, when the file is in a package."""
    raw = node.get("raw_code") or ""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return raw
    return text if raw in text else raw


def _column_of(rendered: str, written: str, column: int | None) -> int | None:
    """The column in the written line, if the text before it or after it is the same in both lines."""
    if column is None:
        return None
    before, after = rendered[: column - 1], rendered[column - 1 :]
    if written.startswith(before):
        return column
    if after and written.endswith(after):
        return len(written) - len(after) + 1
    return None
