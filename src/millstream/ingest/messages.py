"""A Kafka message as a row of its relation. Whatever came is kept; staging judges it."""

from __future__ import annotations

import re
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

# Deeper JSON ends the statement that reads it, in every engine: a parser's stack is finite.
DEEPEST = 500
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def text_of(content: bytes | None) -> str | None:
    r"""Give the text of a payload or a key.

    What no text column can hold (bytes that are not UTF-8, NUL) and what no parser can read (JSON nested more than 500
    deep) is written as \x and hexadecimal digits, as RisingWave's sink writes it: that loses nothing, and is never
    JSON, so staging rejects it with its content.
    """
    if content is None:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None or "\x00" in text or is_deep(content):
        return "\\x" + content.hex()
    return text


def is_deep(content: bytes) -> bool:
    """Tell whether brackets are nested deeper than a parser may be asked to follow. Brackets in strings do not count."""
    if content.count(b"[") + content.count(b"{") <= DEEPEST:
        return False
    depth = deepest = 0
    for found in BRACKETS.finditer(content):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest > DEEPEST


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
