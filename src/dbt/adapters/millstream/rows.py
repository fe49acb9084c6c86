"""The rows of a seed as COPY reads them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import agate

# COPY's text format.
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def text_of(rows: agate.Table) -> io.StringIO:
    """The rows in COPY's text format, from their beginning."""
    text = io.StringIO()
    for row in rows.rows:
        text.write(
            "\t".join(NULL if value is None else str(value).translate(ESCAPES) for value in row) + "\n"
        )
    text.seek(0)
    return text
