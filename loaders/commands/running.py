"""How a command runs: what stops it is told in words, and the first Ctrl-C asks it to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedColumn, UndefinedTable

from loaders.schema.errors import LoaderError


@contextmanager
def errors_told() -> Iterator[None]:
    """Show what a loader says as a command's error: its text, exit status 1, no traceback."""
    try:
        yield
    except (UndefinedTable, UndefinedColumn, InvalidSchemaName, InsufficientPrivilege) as error:
        raise click.ClickException(
            f"the server has not all that a loader needs: {error.diag.message_primary}. Deploy the source relations with "
            "`dbt run`, and use the DSN of the writer role"
        ) from error
    except LoaderError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a request to stop; the second one interrupts."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
