"""One transaction: offsets move on, messages are queued, both or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from millstream.ingest.messages import Message, text_of
from millstream.ingest.offsets import Move, Offsets
from millstream.ingest.routes import Route

# What a row's own values can cause; the rest is the database's trouble and is tried again.
ROW_ERRORS = (psycopg.errors.DataError, psycopg.errors.IntegrityError, psycopg.errors.ProgramLimitExceeded)


MOST_LETTERS = 1_000_000  # of a message that is refused; JSON has no longer strings than 256 MiB


@dataclass(frozen=True)
class MessageBatch:
    """What one poll gave of one topic: the messages, and how far each of their partitions moves on."""

    route: Route
    offsets: Offsets
    messages: Sequence[Message]
    moves: Sequence[Move]


def write(conn: psycopg.Connection, batches: Sequence[MessageBatch]) -> int:
    """Queue the messages and move their offsets; returns how many the relation refused.

    Refused ones become dead rows, as rows that make a tick fail do. Raises Fenced, having changed nothing, where
    another consumer has taken a partition over.
    """
    refused = 0
    with conn.transaction():
        for batch in batches:
            batch.offsets.move(batch.moves)
        for batch in batches:
            try:
                with conn.transaction():
                    copy(conn, batch.route, batch.messages)
            except ROW_ERRORS as error:
                refused += apart(conn, batch.route, batch.messages, error)
    return refused


def copy(conn: psycopg.Connection, route: Route, messages: Sequence[Message]) -> None:
    """Append messages to the relation, whose trigger queues them and wakes the worker."""
    with conn.cursor() as cursor, cursor.copy(route.copy) as stream:
        for message in messages:
            stream.write_row([value(message) for value in route.values])


def start_of(content: bytes | None) -> str | None:
    """The text of a payload or a key, as far as a dead row keeps it."""
    text = text_of(content)
    return text if text is None else text[:MOST_LETTERS]


def apart(conn: psycopg.Connection, route: Route, messages: Sequence[Message], error: psycopg.Error) -> int:
    """Halve until the refused messages are found, and keep these among the dead rows."""
    if len(messages) == 1:
        message = messages[0]
        conn.execute(
            "insert into millstream.dead_row (relation, tick, error, payload)"
            " values (%s, (select tick from millstream.clock), %s, %s)",
            [
                route.relation,
                str(error),
                Jsonb(
                    {
                        "topic": route.topic,
                        "partition": message.partition,
                        "offset": message.offset,
                        "key": start_of(message.key),
                        "payload": start_of(message.value),
                    }
                ),
            ],
        )
        return 1
    middle = len(messages) // 2
    refused = 0
    for part in (messages[:middle], messages[middle:]):
        try:
            with conn.transaction():
                copy(conn, route, part)
        except ROW_ERRORS as failure:
            refused += apart(conn, route, part, failure)
    return refused
