"""Read CREATE SINK … INTO: the embedded engine knows sinks into its own tables only."""

from __future__ import annotations

import re

from millstream.compiler.syntax.declarations.declared import SinkDeclaration
from millstream.compiler.syntax.declarations.text import NAME, QUALIFIED, without_comments
from millstream.compiler.syntax.identifiers import named
from millstream.diagnostics import refuse


def parse_sink(ddl: str, path: str | None = None) -> SinkDeclaration:
    """Read CREATE SINK name INTO table [(columns)] FROM relation | AS SELECT … [WITH (…)]."""
    text = without_comments(ddl)
    head = re.match(
        rf"\s*create\s+sink\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s+into\s+(?P<target>{QUALIFIED})\s*"
        rf"(?:from\s+(?P<source>{QUALIFIED})|as\s+(?P<query>select.*?))\s*(?:with\s*\(.*\))?$",
        text,
        re.I | re.S,
    )
    if head is None:
        raise refuse("MS030/sink", None, path=path)
    parts = [named(part) for part in re.findall(NAME, head["target"])]
    query = head["query"] or f"select * from {head['source']}"
    return SinkDeclaration((parts[-2] if len(parts) > 1 else None, parts[-1]), query)
