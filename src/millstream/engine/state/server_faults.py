"""What the server says that is no fault of a definition, told as a refusal: a lock, a lost connection, a full disk, a right."""

from __future__ import annotations

import psycopg

from millstream.diagnostics import refuse
from millstream.errors import Refused

LOST = "MS091"
# By SQLSTATE, or the beginning of one; the longest that fits counts.
CODES = {
    "40": "MS090",  # a deadlock, or transactions that cannot be put one after the other
    "55P03": "MS090",
    "08": LOST,
    "57P": LOST,
    "53100": "MS092",
    "58030": "MS092",
    "53": "MS093",
    "42501": "MS094",
    "25006": "MS094",  # a transaction that only reads
    "57014": "MS095",
}


def code_for(error: psycopg.Error) -> str:
    """The code of what the server says; without a state it is the driver that speaks, of a connection."""
    if error.sqlstate is None:
        return LOST
    return next((CODES[error.sqlstate[:n]] for n in (5, 3, 2) if error.sqlstate[:n] in CODES), "MS099")


def refused_by_server(error: psycopg.Error, what: str, path: str | None = None) -> Refused:
    """The refusal of `what` was being done, with what the server says and the remedy."""
    message = error.diag.message_primary or str(error).strip().splitlines()[0]
    state = error.sqlstate or ""
    return refuse(code_for(error), None, path=path, what=what, message=message, state=state)
