"""How relations are called in the database, and quoting."""

from __future__ import annotations

from millstream.compiler.algebra.expression import OWN
from millstream.compiler.algebra.quoting import DATA, beside_values, dollars, quote, short, string

__all__ = ("DATA", "beside_values", "dollars", "quote", "short", "string")

# Columns of a source's queue: the number of a group of rows, a row's place in it, and whether a tick may end there.
SEQUENCE, POSITION, CUT = f"seq{OWN}", f"pos{OWN}", f"cut{OWN}"
NUMBER = f"n{OWN}"  # of a row that a sink has for a source


def function(name: str) -> str:
    """A Python function's declaration; its name has the schema before it where that is not the default one."""
    return ".".join(quote(part) for part in name.split(".", 1))


def table(relation: str) -> str:
    """The stored rows."""
    return f"{DATA}.{quote(short(relation))}"


def queue(relation: str) -> str:
    """The rows that clients wrote and no tick has taken yet."""
    return f"{DATA}.{quote(short(relation + '__queue'))}"


def pending(relation: str) -> str:
    """The rows that sinks have for a source and nobody has inserted yet."""
    return f"{DATA}.{quote(short(relation + '__pending'))}"


def log(relation: str) -> str:
    """The changes that a build beside has not taken over yet."""
    return f"{DATA}.{quote(short(relation + '__log'))}"


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
