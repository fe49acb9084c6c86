"""SQL over several lines, for whoever reads it: each clause on a line of its own, subqueries indented.

What is compared or hashed (an index and its condition, a mark of triggers) is written on one line, and not by these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

INDENT = "    "
WIDTH = 100  # a longer list has an item a line
BREAK = re.compile(r"""'[^']*'|"[^"]*"|\n""")
# Matches nearly every text: no quotes in it go over a line break. To ask for that first is three times as fast.
QUOTES_IN_LINES = re.compile(r"""(?:[^'"]++|'[^'\n]*+'|"[^"\n]*+")*+""")


def lines(*clauses: str) -> str:
    """Clauses one below the other; those that are empty are left out."""
    return "\n".join(each for each in clauses if each)


def indented(text: str) -> str:
    """Text further to the right. Values and names in quotes keep the line breaks that they have."""
    if QUOTES_IN_LINES.fullmatch(text):
        return INDENT + text.replace("\n", f"\n{INDENT}")
    return INDENT + BREAK.sub(lambda found: f"\n{INDENT}" if found[0] == "\n" else found[0], text)


def nested(query: str) -> str:
    """A query in brackets."""
    return f"(\n{indented(query)}\n)"


def listing(items: Sequence[str]) -> str:
    """Items in one line."""
    return ", ".join(items)


def clause(word: str, items: Sequence[str]) -> str:
    """A word and its list; PostgreSQL accepts an empty one after SELECT."""
    line = f"{word} {listing(items)}".rstrip()
    if len(line) <= WIDTH or len(items) == 1:
        return line
    return f"{word}\n{indented(f',{chr(10)}'.join(items))}"


def where(conditions: Iterable[str]) -> str:
    """A WHERE clause, or none."""
    terms = list(conditions)
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def union_all(queries: Iterable[str]) -> str:
    """Queries one after the other."""
    return "\nUNION ALL\n".join(queries)
