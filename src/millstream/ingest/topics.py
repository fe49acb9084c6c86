"""What the brokers say of the topics: whether they are there, and whether they are still the same ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.ingest.client import KafkaSettings

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

UNKNOWN = 3  # error code UNKNOWN_TOPIC_OR_PARTITION


@dataclass(frozen=True)
class Topic:
    """A topic as the brokers have it. `id` is None where they are older than topic ids (Kafka 2.8)."""

    name: str
    id: str | None
    partitions: tuple[int, ...]


class Topics:
    """Asks about topics over a connection of its own; raises KafkaError while no broker answers."""

    def __init__(self, settings: KafkaSettings, names: Iterable[str]) -> None:
        self._settings = settings
        self._names = sorted(set(names))
        self._admin: KafkaAdminClient | None = None
        self.found: dict[str, Topic] = {}
        self.refused: dict[str, KafkaError] = {}

    @property
    def missing(self) -> list[str]:
        """Topics that no broker has."""
        return [name for name in self._names if name not in self.found and name not in self.refused]

    def refresh(self) -> None:
        """Ask again."""
        from kafka.errors import for_code

        if self._admin is None:
            self._admin = self._settings.admin()
        found: dict[str, Topic] = {}
        refused: dict[str, KafkaError] = {}
        for topic in self._admin.describe_topics(self._names):
            code = topic["error_code"]
            if code and code != UNKNOWN:
                refused[topic["name"]] = for_code(code)(topic["name"])
            elif not code:
                numbers = tuple(sorted(part["partition_index"] for part in topic["partitions"]))
                identity = str(topic["topic_id"]) if topic["topic_id"] else None
                found[topic["name"]] = Topic(topic["name"], identity, numbers)
        self.found, self.refused = found, refused

    def close(self) -> None:
        """Let go of the connection."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None
