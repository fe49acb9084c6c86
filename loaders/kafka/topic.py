"""A Kafka topic that events are sent to: each once and in order for a person, never more under way than a bound."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loaders.kafka.address import KafkaAddress
from loaders.kafka.security import check_security, connecting, of_environment, reason, refusal
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event

IN_FLIGHT = 10_000
BOOTSTRAP_MS = 5_000
GIVE_UP_MS = 30_000
LINGER_MS = 5
BATCH_BYTES = 256 * 1024
DEFAULTS: dict[str, Any] = {
    "linger_ms": LINGER_MS,
    "batch_size": BATCH_BYTES,
    "delivery_timeout_ms": GIVE_UP_MS,
    "request_timeout_ms": GIVE_UP_MS // 3,
    "max_block_ms": GIVE_UP_MS,
    "reconnect_backoff_max_ms": 2_000,
    "metrics_enabled": False,
}
OURS = {"acks", "bootstrap_servers", "enable_idempotence", "allow_auto_create_topics"}


class KafkaTopic:
    """An idempotent producer for one topic: the brokers drop what a retry sends twice, and acknowledge what all
    replicas have. The key is the person, so a person's events stay in order.
    """

    def __init__(
        self,
        address: KafkaAddress,
        *,
        partitions: int | None = None,
        properties: Mapping[str, str] | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        """Connect. `partitions` makes the topic, with so many, where there is none.

        Settings of SECURITY that `properties` has not come from the environment.

        Raises LoaderError if no broker answers or lets the user in, the topic is missing, or kafka-python is not installed.
        """
        try:
            from kafka import KafkaProducer
            from kafka.errors import KafkaError
        except ModuleNotFoundError as error:
            raise LoaderError(
                "sending to Kafka needs the package kafka-python: pip install 'millstream[kafka]'"
            ) from error
        self.address = address
        self._room = threading.BoundedSemaphore(in_flight)
        self._failure: BaseException | None = None
        self._error_type = KafkaError
        self.acknowledged = 0
        settings = _settings(address, of_environment() | dict(properties or {}), KafkaProducer.DEFAULT_CONFIG)
        with connecting(", ".join(address.brokers)):
            _find_topic(settings, address, partitions)
            self._producer = KafkaProducer(
                **settings,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                **{name: value for name, value in DEFAULTS.items() if name not in settings},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(self._error_type) if error is not None else nullcontext():
            self._producer.close(timeout=0 if error is not None else GIVE_UP_MS / 1000)

    def send(self, event: Event) -> None:
        """Hand one event over; waits while `in_flight` of them are not acknowledged.

        Raises ValueError for an event that no broker takes, and LoaderError when the brokers went away.
        """
        from kafka.errors import MessageSizeTooLargeError

        while not self._room.acquire(timeout=1.0):
            self._check()
        self._check()
        person = event.user_id or event.anonymous_id
        try:
            sent = self._producer.send(
                self.address.topic, key=person.encode() if person else None, value=message(event)
            )
        except MessageSizeTooLargeError as error:
            self._room.release()
            raise ValueError(f"too large for Kafka: {reason(error)}") from error
        except self._error_type as error:
            self._failure = error
            self._check()
        else:
            sent.add_callback(self._arrived).add_errback(self._failed)

    def flush(self) -> None:
        """Return when every event is acknowledged. Raises LoaderError when the brokers went away."""
        try:
            self._producer.flush(timeout=GIVE_UP_MS / 1000 + 5)
        except self._error_type as error:
            self._failure = self._failure or error
        self._check()

    def _arrived(self, _: object) -> None:
        self.acknowledged += 1  # one thread of the producer calls this
        self._room.release()

    def _failed(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._room.release()

    def _check(self) -> None:
        if self._failure is not None:
            if (said := refusal(self._failure, ", ".join(self.address.brokers))) is not None:
                raise LoaderError(f"{said}. {self.acknowledged:,} events were sent before") from self._failure
            raise LoaderError(
                f"Kafka stopped taking events after {self.acknowledged:,} of them ({reason(self._failure)}); start it "
                "again and repeat the command: an event_id that comes twice counts once"
            ) from self._failure


def message(event: Event) -> bytes:
    """Write an event as JSON: the columns of events that are not null. `received_at` is the message's own time."""
    body = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event._asdict().items()
        if value is not None and name != "received_at"
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def read_properties(file: Path) -> dict[str, str]:
    """Read settings of a Kafka client, one NAME=VALUE a line; # begins a comment. Raises LoaderError."""
    found = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LoaderError(f"{file} cannot be read ({error.strerror}); check --properties") from error
    for line in map(str.strip, lines):
        if line and line[0] not in "#!":
            name, separator, value = line.partition("=")
            if not separator:
                raise LoaderError(f"{file}: {line!r} is not NAME=VALUE, such as security.protocol=SASL_SSL")
            found[name.strip().replace(".", "_")] = value.strip()
    return found


def _settings(
    address: KafkaAddress, properties: Mapping[str, str], known: Mapping[str, Any]
) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "bootstrap_servers": list(address.brokers),
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
    }
    for name, text in properties.items():
        if name in OURS:
            raise LoaderError(
                f"the property {name} is set by the loader: it decides that an event arrives once"
            )
        if name not in known:
            raise LoaderError(f"kafka-python has no setting {name}; its names are those of KafkaProducer")
        settings[name] = _typed(name, text, known[name])
    check_security(properties)
    return settings


def _typed(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        return text.lower() == "true"
    if isinstance(default, int | float):
        try:
            return int(text)
        except ValueError:
            raise LoaderError(f"the property {name} must be a whole number, not {text!r}") from None
    return text


def _find_topic(settings: Mapping[str, Any], address: KafkaAddress, partitions: int | None) -> None:
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import TopicAlreadyExistsError

    known = {name: value for name, value in settings.items() if name in KafkaAdminClient.DEFAULT_CONFIG}
    with KafkaAdminClient(**known) as admin:
        (found,) = admin.describe_topics([address.topic])
        if not found["error_code"]:
            return
        if partitions is None:
            raise LoaderError(
                f"there is no topic {address.topic} on {', '.join(address.brokers)}; make it with --partitions 6 "
                "(as many as consumers may ever share the work), or with Kafka's own tools"
            )
        with suppress(TopicAlreadyExistsError):  # somebody else may have made it a moment ago
            admin.create_topics([NewTopic(address.topic, num_partitions=partitions, replication_factor=-1)])
        admin.wait_for_topics([address.topic])
