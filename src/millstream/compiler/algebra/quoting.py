"""Names and strings as SQL text."""

from __future__ import annotations

import hashlib
from itertools import count

MOST_BYTES = 63  # PostgreSQL cuts a longer name, and two that differ behind the cut become one
DATA = "millstream_data"  # the schema of everything that is stored


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def string(value: str) -> str:
    """Write a string; a backslash in it is a backslash."""
    return "'" + value.replace("'", "''") + "'"


def dollars(body: str) -> str:
    """Quote the body of a function by dollars, with a tag that does not stand in it: names and constants may have any."""
    tag = next(tag for tag in (f"$body{number or ''}$" for number in count()) if tag not in body)
    return f"{tag}{body}{tag}"


def beside_values(sql: str) -> str:
    """A piece of SQL in a statement with parameters, where psycopg takes a percent sign for one of them."""
    return sql.replace("%", "%%")


def too_long(name: str) -> bool:
    """Tell whether PostgreSQL would cut a name."""
    return len(name.encode()) > MOST_BYTES


def short(name: str) -> str:
    """Cut a name to PostgreSQL's 63 bytes, keeping it unique by a hash of what was cut."""
    if not too_long(name):
        return name
    cut = name.encode()[:52].decode(errors="ignore")
    return cut + "_" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:10]
