"""How statements reach RisingWave: one at a time, without transactions, over whichever driver opened the connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
import psycopg2

from millstream.errors import Refused
from millstream.rollout.risingwave.refusals import diagnose

LINE = re.compile(r"\bLINE (\d+)\b")


class Statements(Protocol):
    """What a deployment needs of a connection. Both raise StatementFailed where the server refuses."""

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        ...

    def send(self, text: str) -> None:
        """Run a statement."""
        ...


class StatementFailed(Refused):
    """RisingWave refused a statement; `statement` is its text, `line` where in it, if the server says so."""

    def __init__(self, statement: str, message: str) -> None:
        lines = [line.strip() for line in message.splitlines() if line.strip(" ^")]
        super().__init__(diagnose("MS101", statement=beginning(statement), message="; ".join(lines)))
        found = LINE.search(message)
        self.statement = statement
        self.line = int(found[1]) if found is not None else None


def beginning(statement: str) -> str:
    """The first line of a statement, which says what it makes."""
    return statement.strip().partition("\n")[0].removesuffix(" as")


class DriverStatements:
    """Statements over a connection of psycopg2 or psycopg."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        end_transactions(handle)

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        with told(text):
            cursor = self.handle.cursor()
            cursor.execute(text)
            return [tuple(row) for row in cursor.fetchall()]

    def send(self, text: str) -> None:
        with told(text):
            self.handle.cursor().execute(text)


@contextmanager
def told(text: str) -> Iterator[None]:
    """Let an error of either driver be a StatementFailed."""
    try:
        yield
    except (psycopg.Error, psycopg2.Error) as error:
        raise StatementFailed(text, str(error)) from error


def end_transactions(handle: Any) -> None:
    """Let every statement of a connection stand for itself.

    RisingWave has no transactions that write. A driver begins one with the first statement, such as the SET of a
    session, and refuses to change the mode inside of it.
    """
    handle.commit()
    handle.autocommit = True
