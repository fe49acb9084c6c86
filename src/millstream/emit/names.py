"""How relations are called in the database, and quoting."""

from __future__ import annotations

import hashlib

DATA = "millstream_data"


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def string(value: str) -> str:
    """Write a string."""
    return "'" + value.replace("'", "''") + "'"


def short(name: str) -> str:
    """Cut a name to PostgreSQL's 63 bytes, keeping it unique by a hash of what was cut."""
    if len(name.encode()) <= 63:
        return name
    cut = name.encode()[:52].decode(errors="ignore")
    return cut + "_" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:10]


def table(relation: str) -> str:
    """The stored rows."""
    return f"{DATA}.{quote(short(relation))}"


def queue(relation: str) -> str:
    """The rows that clients wrote and no tick has taken yet."""
    return f"{DATA}.{quote(short(relation + '__queue'))}"


def pending(relation: str) -> str:
    """The rows that sinks have for a source and nobody has inserted yet."""
    return f"{DATA}.{quote(short(relation + '__pending'))}"


def changes(relation: str) -> str:
    """This tick's changes of a relation, with weights."""
    return f"pg_temp.{quote(short('d_' + relation))}"


def addends(relation: str) -> str:
    """The terms from which a node's changes are derived, where they come at different moments."""
    return f"pg_temp.{quote(short('t_' + relation))}"


def arguments(relation: str) -> str:
    """Rows waiting for Python results."""
    return f"pg_temp.{quote(short('a_' + relation))}"


def results(relation: str) -> str:
    """Python results."""
    return f"pg_temp.{quote(short('u_' + relation))}"
