"""Finds the place of a refusal that names a construct and no line: where its author's file has the words of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dbt.adapters.millstream.place import Place

COMMENT = re.compile(r"\{#.*?#\}|/\*.*?\*/|--[^\n]*", re.DOTALL)
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
WORD = re.compile(r"[^\W\d]\w*")


def place_of_words(model: Mapping[str, Any], construct: str, project_root: Path) -> Place:
    """Where the model's file, or that of its properties, has what a construct names; else where its statement begins."""
    path = str(model["original_file_path"])
    files = [path]
    if model.get("resource_type") == "function" and model.get("patch_path"):
        files.append(str(model["patch_path"]).partition("://")[2])
    for name in files:
        text = without_comments(project_root / name)
        for wanted in wordings(construct, str(model["name"])):
            if (found := wanted.search(text)) is not None:
                return at(name, text, found.start())
    text = without_comments(project_root / path)
    begins = re.search(r"\S", EXPRESSION.sub(blank, text))
    return at(path, text, begins.start()) if begins is not None else Place(path, None, None)


def wordings(construct: str, name: str) -> Iterator[re.Pattern[str]]:
    """What to look for, the most telling first: what stands after a colon, the whole, then its words from the last on."""
    for phrase in (construct.partition(": ")[2], construct):
        if phrase and " " in phrase:
            # PostgreSQL and the compiler put blanks where the author did not, and the other way round.
            pieces = re.findall(r"\w+|[^\w\s]", phrase)
            yield re.compile(r"\s*".join(map(re.escape, pieces)), re.IGNORECASE)
    for word in reversed(WORD.findall(construct)):
        if word != name:
            yield re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)


def without_comments(file: Path) -> str:
    """The text of a file with blanks in the place of its comments; empty where there is no such file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return ""
    return COMMENT.sub(blank, text)


def blank(found: re.Match[str]) -> str:
    """As many blanks as a piece of text is long, in the same lines."""
    return re.sub(r"[^\n]", " ", found[0])


def at(path: str, text: str, offset: int) -> Place:
    """A place in a file, by the offset in its text."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Place(path, text.count("\n", 0, offset) + 1, offset - line_start + 1)
