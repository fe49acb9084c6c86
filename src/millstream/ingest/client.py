"""kafka-python's clients with the settings that exactly-once reading needs, and whatever the user sets beside them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import MillstreamError
from millstream.ingest.connecting import telling_why

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
VARIABLES = "MILLSTREAM_KAFKA_"
# What the environment may set.
SECURITY = (
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "ssl_cafile",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_password",
    "ssl_check_hostname",
)
BY_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


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
    """Read settings: of the environment, then of a file of NAME=VALUE lines (# begins a comment), then those given.

    Names are Kafka's (`security.protocol`) or kafka-python's (`security_protocol`); those of SECURITY may be variables,
    MILLSTREAM_KAFKA_ before their name in capitals. Raises MillstreamError for a password that is given, which a command
    line shows to every user of the machine.
    """
    lines = list(given)
    for line in lines:
        if "password" in line.partition("=")[0]:
            name = line.partition("=")[0].strip()
            raise MillstreamError(
                f"{name} does not belong on a command line, where every user of the machine reads it\n"
                f"  hint: put it into the file of --properties, or into {variable_of(_setting(name))}"
            )
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise MillstreamError(
                f"{file} cannot be read ({error.strerror})\n  hint: check --properties"
            ) from error
        lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#!"] + lines
    found = {name: os.environ[variable] for name in SECURITY if os.environ.get(variable := variable_of(name))}
    for line in lines:
        name, separator, value = line.partition("=")
        if not separator:
            raise MillstreamError(f"{line!r} is not NAME=VALUE\n  hint: such as security.protocol=SASL_SSL")
        found[_setting(name)] = value.strip()
    return found


def variable_of(setting: str) -> str:
    """Name the environment's variable of a setting."""
    return VARIABLES + setting.upper()


def _setting(name: str) -> str:
    return name.strip().replace(".", "_").replace("-", "_")


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


class KafkaSettings:
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

        self._check_security()

    def _check_security(self) -> None:
        """Refuse settings with which no broker can be reached, before any is asked."""
        given = self.properties
        protocol = given.get("security_protocol", PROTOCOLS[0])
        if protocol not in PROTOCOLS:
            raise MillstreamError(
                f"{protocol!r} is no security.protocol\n  hint: it is one of {', '.join(PROTOCOLS)}"
            )
        has_mechanism, has_sasl = "sasl_mechanism" in given, protocol.startswith("SASL")
        if has_mechanism != has_sasl:
            raise MillstreamError(
                f"sasl.mechanism and security.protocol={protocol} do not go together\n"
                "  hint: a user and password need both: SASL_SSL (SASL_PLAINTEXT without TLS), and PLAIN, SCRAM-SHA-256 "
                "or SCRAM-SHA-512"
            )
        if has_sasl and given["sasl_mechanism"] in BY_PASSWORD:
            for name in ("sasl_plain_username", "sasl_plain_password"):
                if not given.get(name):
                    raise MillstreamError(
                        f"{name.replace('_', '.')} is missing\n"
                        f"  hint: put it into the file of --properties, or into {variable_of(name)}"
                    )
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            try:
                Path(given.get(name, os.devnull)).open("rb").close()
            except OSError as error:
                raise MillstreamError(
                    f"{given[name]} cannot be read ({error.strerror})\n  hint: correct {name.replace('_', '.')}"
                ) from error

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
        with telling_why():
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

        with telling_why():
            return KafkaAdminClient(**self.common(KafkaAdminClient.DEFAULT_CONFIG))


def reason(error: BaseException) -> str:
    """Say in a few words why a client failed."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    text = str(error).splitlines()[0] if str(error) else ""
    name = type(error).__name__
    return text.removeprefix(f"{name}: ") or name
