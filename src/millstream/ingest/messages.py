"""A Kafka message as a row of its relation. Whatever came is kept: nothing here looks into a message or refuses one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Message(Protocol):
    """What is used of kafka-python's ConsumerRecord. `timestamp` is milliseconds since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Value = Callable[[Message], object]


def text_of(content: bytes | None) -> str | None:
    r"""Give the text of a payload or a key.

    What no text column can hold (bytes that are not UTF-8, NUL) is written as \x and hexadecimal digits, as RisingWave's
    sink writes it: that loses nothing, and is never JSON, so staging rejects it with its content.
    """
    if content is None:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "\\x" + content.hex()
    return "\\x" + content.hex() if "\x00" in text else text


def payload(message: Message) -> object:
    """The message's value as text; a tombstone is NULL."""
    return text_of(message.value)


def payload_bytes(message: Message) -> object:
    """The message's value as it is."""
    return message.value


def key(message: Message) -> object:
    """The message's key as text."""
    return text_of(message.key)


def key_bytes(message: Message) -> object:
    """The message's key as it is."""
    return message.key


def partition(message: Message) -> object:
    """The partition's number, as text: RisingWave gives it so."""
    return str(message.partition)


def offset(message: Message) -> object:
    """The offset in the partition, as text."""
    return str(message.offset)


def arrival(message: Message) -> object:
    """The message's own time, but never one that is still to come: views must not believe a wrong clock."""
    now = datetime.now(UTC)
    try:
        stamped = datetime.fromtimestamp(message.timestamp / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return now
    return min(stamped, now) if message.timestamp >= 0 else now
