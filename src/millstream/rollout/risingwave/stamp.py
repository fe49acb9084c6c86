"""A stamp: which build an object is, the hash of what it was built from, and which build of each view it reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MARK = "millstream "
COMMENT = re.compile(r"('(?:[^']|'')*')|--[^\n]*")


@dataclass(frozen=True)
class Stamp:
    """`reads` has a number of build for each view read; `columns` and `rest` are a table's shape."""

    version: int
    definition: str
    reads: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    rest: str = ""

    def text(self) -> str:
        """The stamp as the registry keeps it."""
        said: dict[str, Any] = {"version": self.version, "definition": self.definition}
        if self.columns is None:
            said["reads"] = dict(self.reads)
        else:
            said |= {"columns": list(self.columns), "rest": self.rest}
        return MARK + json.dumps(said, sort_keys=True)


def read_stamp(text: str | None) -> Stamp | None:
    """The stamp in a text of the registry or in a comment, which may have a description before it."""
    if text is None or MARK + "{" not in text:
        return None
    said = json.loads(text[text.rindex(MARK + "{") + len(MARK) :])
    columns = said.get("columns")
    return Stamp(
        int(said["version"]),
        said["definition"],
        said.get("reads", {}),
        None if columns is None else tuple(columns),
        said.get("rest", ""),
    )


def definition_hash(kind: str, text: str, options: Mapping[str, Any] | None = None) -> str:
    """The hash of a definition. Comments, white space and line breaks do not count."""
    given = f"{kind}\n{without_comments(text)}\n{json.dumps(options or {}, sort_keys=True)}"
    return hashlib.md5(given.encode(), usedforsecurity=False).hexdigest()


def without_comments(text: str) -> str:
    """The words of a statement with one blank between them."""
    return " ".join(COMMENT.sub(r"\1", text).split())
