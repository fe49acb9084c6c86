"""Where events go in Kafka: `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loaders.schema.errors import LoaderError

SCHEME = "kafka://"
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
BROKER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^:,\s/]+):\d{1,5}")


@dataclass(frozen=True)
class KafkaAddress:
    """Brokers to begin with, as HOST:PORT, and a topic."""

    brokers: tuple[str, ...]
    topic: str

    def __str__(self) -> str:
        return f"{SCHEME}{','.join(self.brokers)}/{self.topic}"


def read_address(text: str) -> KafkaAddress:
    """Read an address. Raises LoaderError that says what one looks like."""
    brokers, _, topic = text.removeprefix(SCHEME).partition("/")
    found = tuple(brokers.split(","))
    if (
        not text.startswith(SCHEME)
        or not TOPIC.fullmatch(topic)
        or not all(BROKER.fullmatch(broker) for broker in found)
    ):
        raise LoaderError(f"{text!r} is not an address such as {SCHEME}localhost:9092/events")
    return KafkaAddress(found, topic)
