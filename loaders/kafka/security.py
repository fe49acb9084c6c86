"""Settings of users and TLS for Kafka, and what to say when the brokers do not let a loader in."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loaders.schema.errors import LoaderError

VARIABLES = "MILLSTREAM_KAFKA_"
SECURITY = (
    "security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "ssl_cafile",
    "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_check_hostname",
)  # fmt: skip
"""What the environment may set, in capitals after MILLSTREAM_KAFKA_."""
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
BY_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
LOGGER = "kafka.net.manager"


def of_environment() -> dict[str, str]:
    """Read the settings that the environment has."""
    given = {name: os.environ.get(VARIABLES + name.upper()) for name in SECURITY}
    return {name: value for name, value in given.items() if value}


def check_security(given: Mapping[str, str]) -> None:
    """Raise LoaderError for settings with which no broker can be reached."""
    protocol = given.get("security_protocol", PROTOCOLS[0])
    if protocol not in PROTOCOLS:
        raise LoaderError(f"{protocol!r} is no security.protocol: it is one of {', '.join(PROTOCOLS)}")
    has_sasl = protocol.startswith("SASL")
    if ("sasl_mechanism" in given) != has_sasl:
        raise LoaderError(
            f"sasl.mechanism and security.protocol={protocol} do not go together: a user and password need both, "
            f"SASL_SSL (SASL_PLAINTEXT without TLS) and one of {', '.join(BY_PASSWORD)}"
        )
    if has_sasl and given["sasl_mechanism"] in BY_PASSWORD:
        for name in ("sasl_plain_username", "sasl_plain_password"):
            if not given.get(name):
                raise LoaderError(
                    f"{name.replace('_', '.')} is missing: put it into the file of --properties, or into "
                    f"{VARIABLES}{name.upper()}"
                )
    for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        try:
            Path(given.get(name, os.devnull)).open("rb").close()
        except OSError as error:
            raise LoaderError(
                f"{given[name]} cannot be read ({error.strerror}): correct {name.replace('_', '.')}"
            ) from error


@contextmanager
def connecting(brokers: str) -> Iterator[None]:
    """Tell why a client could not connect: kafka-python says that only to its log. Raises LoaderError for a KafkaError."""
    from kafka.errors import KafkaError

    logger, causes = logging.getLogger(LOGGER), _CausesOfRefusal()
    level, passes_on = logger.level, logger.propagate
    logger.addHandler(causes)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    except KafkaError as error:
        cause = causes.last or error
        raise LoaderError(
            refusal(cause, brokers)
            or f"no broker answers at {brokers} ({reason(error)}); start Kafka, or correct --to and the security settings"
        ) from cause.with_traceback(None)
    finally:
        logger.removeHandler(causes)
        logger.setLevel(level)
        logger.propagate = passes_on


def refusal(error: BaseException, brokers: str) -> str | None:
    """Say what the brokers refuse for good, and the remedy; None for what may be over in a moment."""
    from kafka import errors

    for each in (error, error.__cause__, error.__context__):
        if isinstance(each, ssl.SSLError) and not isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            said = getattr(each, "verify_message", "") or each.reason or str(each)
            return (
                f"no TLS with the brokers at {brokers} ({said}): check security.protocol, ssl.cafile (who signed their "
                "certificates), the names in them, and ssl.certfile and ssl.keyfile where they ask for a certificate"
            )
    if isinstance(error, errors.AuthorizationError):
        return (
            f"the brokers at {brokers} refuse it to the user ({reason(error)}): let the user WRITE and DESCRIBE the topic, "
            "and CREATE it for --partitions"
        )
    if isinstance(
        error,
        errors.SaslAuthenticationFailedError
        | errors.UnsupportedSaslMechanismError
        | errors.IllegalSaslStateError
        | errors.KafkaConfigurationError,
    ):
        return (
            f"the brokers at {brokers} do not let the user in ({reason(error)}): check user, password and sasl.mechanism in "
            f"--properties or in {VARIABLES}SASL_…"
        )
    if isinstance(
        error, errors.MessageSizeTooLargeError | errors.RecordListTooLargeError | errors.InvalidRecordError
    ):
        return (
            f"the brokers at {brokers} refuse an event ({reason(error)}): it is too large for the topic, or they check its "
            "form; raise max.message.bytes of the topic, or correct the event"
        )
    return None


def reason(error: BaseException) -> str:
    """Say in a few words why a client failed."""
    lines = str(error).splitlines()
    return (lines[0] if lines else "").removeprefix(f"{type(error).__name__}: ") or type(error).__name__


class _CausesOfRefusal(logging.Handler):
    """Keeps the last error that a client tells its log; that time ran out is none."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        from kafka.errors import KafkaTimeoutError

        arguments = record.args if isinstance(record.args, tuple) else ()
        for each in arguments:
            if isinstance(each, BaseException) and not isinstance(each, KafkaTimeoutError):
                self.last = each
