"""What goes wrong while a definition is compiled and built, told as a refusal of that definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlglot import exp
from sqlglot.errors import SqlglotError

from millstream.compiler.algebra.quoting import DATA
from millstream.compiler.binder.scope import Catalog
from millstream.compiler.binder.written_types import Typed, typed_nodes
from millstream.compiler.dialect import write
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import tables
from millstream.diagnostics import Place, place, refuse
from millstream.engine.deploy.mismatches import Found, mismatched, named
from millstream.engine.deploy.unresolved import unresolved
from millstream.engine.state.server_faults import refused_by_server
from millstream.errors import MillstreamError, Refused

# Classes of SQLSTATE that speak of the statement: its data, what it asks for, its syntax, its size, the server's own bugs.
OF_THE_STATEMENT = ("0A", "21", "22", "23", "2B", "3F", "42", "54", "P0", "XX")
PYTHON = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    StopIteration,
)
NUMBERED = re.compile(r"\b(\w+)_\d+\b")  # a name that the compiler has made of one in the text
MADE_TYPE = re.compile(rf'{DATA}\."(struct<[^"]*)"')
INCOMPARABLE = re.compile(r"could not identify an? [\w ]+ (?:function|operator) for type ([\w ]+)")
UNDEFINED_TABLE = "42P01"
NO_RELATION = re.compile(r'relation "([^"]+)" does not exist')
LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)


@contextmanager
def refusing_faults(
    name: str, path: str | None, text: str = "", catalog: Callable[[], Catalog] | None = None
) -> Iterator[None]:
    """Turn what PostgreSQL says of the statements inside, and a fault of the compiler, into a refusal of `name`.

    `text` is the definition, which reads relations of the catalog. Errors that do not come from it (a lock, a lost
    connection, a full disk) pass.
    """
    try:
        yield
    except MillstreamError:
        raise
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in OF_THE_STATEMENT:
            raise
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise refused_by_server(error, name, path) from error
        nodes = nodes_of(text, path, catalog) if text and catalog is not None else []
        raise refused(error, name, path, text, nodes) from error
    except (*PYTHON, SqlglotError) as error:
        fault = type(error).__name__
        raise refuse("MS029", None, path=path, name=name, fault=fault, message=str(error)) from error


def nodes_of(text: str, path: str | None, catalog: Callable[[], Catalog]) -> Typed:
    """The nodes of a definition; none where it is no query."""
    try:
        return typed_nodes(parse(text, path), catalog())
    except Refused:
        return []


def refused(error: psycopg.Error, name: str, path: str | None, text: str, nodes: Typed) -> Refused:
    """The refusal that tells what PostgreSQL says of a definition, as the definition has it."""
    message = as_written(error.diag.message_primary or str(error).splitlines()[0], text)
    if error.sqlstate == UNDEFINED_TABLE and (lacking := NO_RELATION.search(message)) is not None:
        return unknown_relation(lacking[1], text, path)
    whole = nodes[0][0] if nodes else None
    if (type_ := INCOMPARABLE.match(message)) is not None:
        where = next((node for node, _ in nodes if is_type(node, type_[1])), whole)
        return refuse("MS036/incomparable in a model", around(where), path=path, name=name, type=type_[1])
    if (missing := unresolved(message, nodes)) is not None:
        return refusal(missing, name, "there is none of that name that takes these types", path)
    if (other := mismatched(message, nodes)) is not None:
        return refusal(other, name, message, path)
    hint = as_written(error.diag.message_hint or "", text)
    where = named(message, nodes)
    line = line_in(str(error), text) if where is None else None
    at = (line, None) if line is not None else around(where or whole)
    if at[0] is None and text:
        at = (1, None)
    return refuse("MS028", at, path=path, instead=hint, name=name, construct=message)


def unknown_relation(name: str, text: str, path: str | None) -> Refused:
    """The refusal of a definition that reads what is not deployed, at the place where it names it."""
    try:
        read = list(tables(parse(text, path)))
    except Refused:
        read = []
    meant = name.rpartition(".")[2]
    return refuse("MS002", next((table for table in read if table.name == meant), None), name, path)


def refusal(found: Found, name: str, message: str, path: str | None) -> Refused:
    """The refusal of a construct of a definition, of which `message` says what is wrong."""
    return refuse(
        "MS028/part",
        around(found.node),
        path=path,
        name=name,
        construct=found.construct,
        message=message,
        instead=found.hint,
    )


def around(node: exp.Expr | None) -> Place:
    """The place of a node, or of what it stands in: a literal list and a type have none of their own."""
    found = place(node)
    while node is not None and found[0] is None:
        node = node.parent
        found = place(node)
    return found


def is_type(node: exp.Expr, name: str) -> bool:
    """Tell whether a node names a type."""
    return isinstance(node, exp.DataType) and write(node).lower() == name


def line_in(message: str, text: str) -> int | None:
    """The line of a definition that PostgreSQL shows in its message, where it reads the definition as it is written."""
    found = LINE.search(message)
    if found is None:
        return None
    number, shown = int(found[1]), found[2].split(" AS ", 1)[-1].strip(". ")
    lines = text.splitlines()
    return number if number <= len(lines) and shown and shown in lines[number - 1] else None


def as_written(message: str, text: str) -> str:
    """A message with the names of the text in place of those that the compiler has made of them."""
    message = MADE_TYPE.sub(r"\1", message)
    return NUMBERED.sub(lambda found: found[0] if found[0] in text else found[1], message)
