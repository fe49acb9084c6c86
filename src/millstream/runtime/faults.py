"""What goes wrong while a definition is compiled and built, told as a refusal of that definition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlglot import exp
from sqlglot.errors import SqlglotError

from millstream.diagnostics import place
from millstream.errors import Diagnostic, MillstreamError, Refused
from millstream.front.parse import parse
from millstream.runtime.types import incomparable

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
CALLED = re.compile(r'(?:function|aggregate) (?:[\w".]+\.)?"?(\w+)"?\s*\(')
TYPED = re.compile(r'type "?([\w ]+?)"?(?: does not exist)?$')
INCOMPARABLE = re.compile(r"could not identify an? [\w ]+ (?:function|operator) for type ([\w ]+)")
LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)


@contextmanager
def told(name: str, path: str | None, text: str = "") -> Iterator[None]:
    """Turn what PostgreSQL says of the statements inside, and a fault of the compiler, into a refusal of `name`.

    `text` is the definition. Errors that do not come from it (a lock, a lost connection, a full disk) pass.
    """
    try:
        yield
    except MillstreamError:
        raise
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in OF_THE_STATEMENT:
            raise
        raise refused(error, name, path, text) from error
    except (*PYTHON, SqlglotError) as error:
        raise Refused(
            Diagnostic(
                "MS029",
                f"{name}: {type(error).__name__} in the compiler",
                f"this is a fault of the compiler ({error}), and not of the model",
                "report it with the text of the model; until it is mended, write the model in smaller steps",
                path,
            )
        ) from error


def refused(error: psycopg.Error, name: str, path: str | None, text: str) -> Refused:
    """The refusal that tells what PostgreSQL says of a definition."""
    message = error.diag.message_primary or str(error).splitlines()[0]
    line, column = of_construct(message, text, path)
    if (type_ := INCOMPARABLE.match(message)) is not None:
        construct = f"{name}: a column of type {type_[1]}"
        return Refused(incomparable(Diagnostic("MS036", construct, "", "", path, line, column)))
    line = line or line_in(str(error), text)
    return Refused(
        Diagnostic(
            "MS028",
            f"{name}: {as_written(message, text)}",
            "PostgreSQL, which computes it here, does not accept that",
            as_written(
                error.diag.message_hint or "cast the operands to types that it takes, or write it otherwise",
                text,
            ),
            path,
            line,
            column,
        )
    )


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
    return NUMBERED.sub(lambda found: found[0] if found[0] in text else found[1], message)


def of_construct(message: str, text: str, path: str | None) -> tuple[int | None, int | None]:
    """Where the text has what a message names: a function or a type."""
    called, typed = CALLED.search(message), TYPED.search(message)
    if not text or not (called or typed):
        return None, None
    try:
        tree = parse(text, path)
    except Refused:
        return None, None
    for node in tree.walk():
        if called and isinstance(node, exp.Func) and calls(node, called[1]):
            return place(node)
        if (
            typed
            and isinstance(node, exp.DataType)
            and node.sql("postgres").lower().startswith(typed[1].lower())
        ):
            return place(node.parent)
    return None, None


def calls(node: exp.Func, name: str) -> bool:
    """Tell whether a call is written as a call of that function for PostgreSQL."""
    return name.lower() in (
        node.name.lower(),
        node.sql("postgres", normalize_functions=False).split("(")[0].lower(),
    )
