"""Make a refusal of its code, its place and the pieces of its texts."""

from __future__ import annotations

import re

from sqlglot import exp

from millstream.diagnostics.catalogue import CATALOGUE, code_of
from millstream.errors import Diagnostic, Refused

Place = tuple[int | None, int | None]  # line and column, from 1
PIECE = re.compile(r"\{(\w+)\}")


def place(node: exp.Expr | None) -> Place:
    """Return the 1-based line and column of the first token that sqlglot placed in or under a node."""
    best: tuple[int, int] | None = None
    for found in node.walk() if node is not None else ():
        line, end = found.meta.get("line"), found.meta.get("col")
        if line is None or end is None:
            continue
        start = found.meta.get("start", 0)
        width = found.meta.get("end", start) - start
        here = (line, max(1, end - width))
        best = here if best is None else min(best, here)
    return best or (None, None)


def refuse(
    key: str,
    where: exp.Expr | Place | None,
    detail: str = "",
    path: str | None = None,
    likely: str = "",
    instead: str = "",
    **pieces: str,
) -> Refused:
    """Make the refusal `key`, a code or a case of one, for a construct; the caller raises it.

    `detail` and the named pieces stand in the texts where these have {detail} and their names. `likely` is a remedy that may be
    the right one and is told before the hint; `instead` takes the hint's place.
    """
    pieces["detail"] = detail
    construct, why, hint = (PIECE.sub(lambda found: pieces[found[1]], text) for text in CATALOGUE[key])
    hint = instead or (f"{likely} If not, {hint}" if likely else hint)
    line, column = where if isinstance(where, tuple) else place(where)
    return Refused(Diagnostic(code_of(key), construct, why, hint, path, line, column))
