"""Golden files: cases of an input and what is expected of it, kept as text and read as diffs.

    ### a filter keeps what is true

    select item_id from items where price > 1

    --->

    item_id = item_id_1
    …

`MILLSTREAM_REFRESH_GOLDEN=1 pytest tests/compiler` writes what the code answers now into the files; `git diff` shows what
changed. New cases are added by hand with an empty expectation, and filled by the same command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REFRESH = "MILLSTREAM_REFRESH_GOLDEN"
ARROW = "\n--->\n"
TITLE = re.compile(r"^### (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One case of a golden file; `title` is unique in it."""

    path: Path
    title: str
    given: str
    expected: str

    def check(self, answer: str) -> None:
        """Fail unless the answer is the expected one; on refresh, write it into the file instead."""
        answer = answer.strip()
        if os.environ.get(REFRESH):
            write(
                self.path,
                [
                    Case(c.path, c.title, c.given, answer if c.title == self.title else c.expected)
                    for c in read(self.path)
                ],
            )
        else:
            assert answer == self.expected, (
                f"{self.path.name}: {self.title} (refresh: {REFRESH}=1 pytest {self.path.parent})"
            )


def read(path: Path) -> list[Case]:
    """Read the cases of a file. Raises ValueError for a case without an arrow or a title that comes twice."""
    parts = TITLE.split(path.read_text())[1:]
    cases = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        given, arrow, expected = text.partition(ARROW)
        if not arrow:
            raise ValueError(f"{path}: the case {title!r} has no line --->")
        if any(case.title == title for case in cases):
            raise ValueError(f"{path}: two cases are called {title!r}")
        cases.append(Case(path, title, given.strip("\n"), expected.strip()))
    return cases


def write(path: Path, cases: list[Case]) -> None:
    """Write a file of cases."""
    path.write_text("\n\n".join(f"### {c.title}\n\n{c.given}\n{ARROW}\n{c.expected}" for c in cases) + "\n")


def each_case(*paths: Path) -> Callable[..., pytest.MarkDecorator]:
    """Parametrize a test with `case` over the cases of files."""
    cases = [case for path in paths for case in read(path)]
    return pytest.mark.parametrize("case", cases, ids=[case.title for case in cases])
