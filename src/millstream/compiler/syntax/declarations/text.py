"""The text of a declaration: names, comments and brackets, which RisingWave's clauses are found by."""

from __future__ import annotations

import re

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
QUALIFIED = rf"{NAME}(?:\s*\.\s*{NAME})*"


def without_comments(ddl: str) -> str:
    """Blank -- and /* */ comments, and drop the closing semicolon; everything else stays in its place."""
    comment = re.compile(r"""('(?:[^']|'')*'|"[^"]*")|--[^\n]*|/\*.*?\*/""", re.S)
    kept = comment.sub(lambda found: found[1] or re.sub(r"[^\n]", " ", found[0]), ddl)
    return kept.rstrip().rstrip(";").rstrip()


def end_of_brackets(text: str, start: int) -> int:
    """Return the position after the parenthesis that closes the one at `start`."""
    depth = 0
    quoted = ""
    for position in range(start, len(text)):
        char = text[position]
        if char in "'\"" and quoted in ("", char):
            quoted = "" if quoted else char
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return position + 1
    return -1
