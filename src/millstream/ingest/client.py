"""kafka-python's clients with the settings that exactly-once reading needs, and whatever the user sets beside them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import MillstreamError

if TYPE_CHECKING:
    from kafka import KafkaConsumer
    from kafka.admin import KafkaAdminClient

BOOTSTRAP_MS = 5_000
REQUEST_MS = 10_000
RECONNECT_MS = 2_000
LARGEST_FETCH = 16 * 1024 * 1024
# What a user may not set: it decides whether messages are read exactly once.
OURS = {
    "auto_offset_reset",
    "bootstrap_servers",
    "enable_auto_commit",
    "group_id",
    "isolation_level",
    "max_poll_records",
}


def require_kafka() -> None:
    """Raise MillstreamError where kafka-python is not installed."""
    try:
        import kafka  # noqa: F401
    except ModuleNotFoundError as error:
        raise MillstreamError(
            "reading from Kafka needs the package kafka-python, which is not installed\n"
            "  hint: pip install 'millstream[kafka]'"
        ) from error


def read_properties(given: Sequence[str], file: Path | None) -> dict[str, str]:
    """Read NAME=VALUE settings, from a file of such lines (# begins a comment) and then from the command line.

    Names are Kafka's (`security.protocol`) or kafka-python's (`security_protocol`).
    """
    lines = list(given)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise MillstreamError(
                f"{file} cannot be read ({error.strerror})\n  hint: check --properties"
            ) from error
        lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#!"] + lines
    found = {}
    for line in lines:
        name, separator, value = line.partition("=")
        if not separator:
            raise MillstreamError(f"{line!r} is not NAME=VALUE\n  hint: such as security.protocol=SASL_SSL")
        found[name.strip().replace(".", "_").replace("-", "_")] = value.strip()
    return found


def typed(properties: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that a client knows, as values of the type of its defaults."""
    return {name: _value(name, text, defaults[name]) for name, text in properties.items() if name in defaults}


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.lower() == "true"
    if isinstance(default, int | float):
        try:
            return int(text)
        except ValueError:
            raise MillstreamError(f"{name} must be a whole number, not {text!r}") from None
    return text


class Settings:
    """Where the brokers are and how to speak to them."""

    def __init__(self, brokers: str, group: str, properties: Mapping[str, str]) -> None:
        """Raises MillstreamError for a setting that no client has or that is not the user's to set."""
        require_kafka()
        from kafka import KafkaConsumer

        self.brokers = brokers
        self.group = group
        self.properties = dict(properties)
        for name in self.properties:
            if name in OURS:
                raise MillstreamError(
                    f"the property {name} is set by millstream: it decides what is read once"
                )
            if name not in KafkaConsumer.DEFAULT_CONFIG:
                raise MillstreamError(
                    f"kafka-python has no setting {name}\n"
                    "  hint: its names are in the reference of KafkaConsumer; Java's JAAS lines are sasl.mechanism, "
                    "sasl.plain.username and sasl.plain.password here"
                )

    def common(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """What consumer and admin client share."""
        wanted = {
            "bootstrap_servers": self.brokers.split(","),
            "client_id": "millstream",
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "request_timeout_ms": REQUEST_MS,
            "reconnect_backoff_max_ms": RECONNECT_MS,
            "metrics_enabled": False,
        }
        known = {name: value for name, value in wanted.items() if name in defaults}
        return known | typed(self.properties, defaults)

    def consumer(self, batch: int, *, grouped: bool) -> KafkaConsumer:
        """Connect a consumer that stores no offsets and never chooses one by itself."""
        from kafka import KafkaConsumer

        defaults = KafkaConsumer.DEFAULT_CONFIG
        chosen = {
            "allow_auto_create_topics": False,
            "metadata_max_age_ms": 10_000,  # how soon new partitions are seen
            "max_partition_fetch_bytes": LARGEST_FETCH,
        } | self.common(defaults)
        if "session_timeout_ms" in chosen:
            chosen.setdefault("heartbeat_interval_ms", chosen["session_timeout_ms"] // 4)
        return KafkaConsumer(
            **chosen,
            group_id=self.group if grouped else None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=batch,
        )

    def admin(self) -> KafkaAdminClient:
        """Connect a client that asks about topics; it makes none."""
        from kafka.admin import KafkaAdminClient

        return KafkaAdminClient(**self.common(KafkaAdminClient.DEFAULT_CONFIG))


def reason(error: BaseException) -> str:
    """Say in a few words why a client failed."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    text = str(error).splitlines()[0] if str(error) else ""
    name = type(error).__name__
    return text.removeprefix(f"{name}: ") or name
