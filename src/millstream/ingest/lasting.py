"""Errors of Kafka that waiting does not mend: each ends the consumer with what does."""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from millstream.errors import MillstreamError
from millstream.ingest.client import reason

SKIP = (
    "nothing is skipped silently: let its sender repair it and send it again, then skip it with the consumers stopped, as "
    "the owner:  update millstream.kafka_partition set next_offset = … where topic = … and partition = …"
)
TLS = (
    "check security.protocol, ssl.cafile (who signed the brokers' certificates), the names in them, and ssl.certfile and "
    "ssl.keyfile where the brokers ask for a client certificate"
)
GRANTS = "let the user READ and DESCRIBE the topic and READ the group (--group), as docs/howto/kafka.md says"


class Lasting(MillstreamError):
    """Kafka, or what is in it, cannot be read until somebody changes something."""


@functools.cache
def remedies() -> tuple[tuple[tuple[type[Exception], ...], str, str], ...]:
    """What cannot be read, and the remedy, by kafka-python's errors; the first that fits counts."""
    from kafka import errors as kafka

    return (
        (
            (kafka.UnsupportedCodecError, kafka.UnsupportedCompressionTypeError),
            "messages are compressed in a way that cannot be read here",
            "install what reads lz4, snappy and zstd:  pip install 'millstream[kafka]'",
        ),
        (
            (kafka.CorruptRecordError, kafka.InvalidRecordError),
            "a batch of messages is corrupt",
            SKIP,
        ),
        (
            (
                kafka.SaslAuthenticationFailedError,
                kafka.UnsupportedSaslMechanismError,
                kafka.IllegalSaslStateError,
                kafka.SecurityDisabledError,
                kafka.UnacceptableCredentialError,
                kafka.DelegationTokenExpiredError,
                kafka.DelegationTokenNotFoundError,
            ),
            "the brokers do not let the user in",
            "check user, password and sasl.mechanism in --properties or in MILLSTREAM_KAFKA_SASL_…",
        ),
        ((kafka.AuthorizationError,), "the brokers refuse it to the user", GRANTS),
        (
            (
                kafka.UnsupportedVersionError,
                kafka.UnrecognizedBrokerVersion,
                kafka.UnsupportedForMessageFormatError,
                kafka.UnsupportedAssignorError,
            ),
            "the brokers do not speak a version of the protocol that is needed",
            "Kafka must be 2.1 or newer, and so must the message format of its topics",
        ),
        (
            (kafka.InconsistentGroupProtocolError, kafka.InvalidGroupIdError),
            "the group is not one that this consumer can join",
            "another application has it: choose another name with --group",
        ),
        (
            (kafka.InvalidTopicError,),
            "that is no name of a topic",
            "correct the name in the command or in the relation's connector",
        ),
        (
            (
                kafka.KafkaConfigurationError,
                kafka.InvalidSessionTimeoutError,
                kafka.InvalidConfigurationError,
            ),
            "the brokers or the client do not take a setting",
            "correct --property, --properties or the brokers' own settings",
        ),
    )


def lasting(error: BaseException, brokers: str) -> Lasting | None:
    """What to tell of an error that lasts, or None for one that may be over in a moment."""
    if (said := _tls(error)) is not None:
        return Lasting(f"Kafka at {brokers}: no TLS with the brokers ({said})\n  hint: {TLS}")
    for kinds, what, remedy in remedies():
        if isinstance(error, kinds):
            return Lasting(f"Kafka at {brokers}: {what} ({_said(error)})\n  hint: {remedy}")
    return None


def _tls(error: BaseException) -> str | None:
    """Say what is wrong with keys and certificates, or None; a connection that ended is no such error."""
    for each in (error, error.__cause__, error.__context__):
        if isinstance(each, ssl.SSLError) and not isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return getattr(each, "verify_message", "") or each.reason or str(each)
    return None


@contextmanager
def decoding(brokers: str) -> Iterator[None]:
    """Tell of content that a decoder cannot read; each codec raises errors of its own."""
    from kafka.errors import KafkaError

    try:
        yield
    except (KafkaError, psycopg.Error, MillstreamError):
        raise
    except Exception as error:
        raise Lasting(
            f"Kafka at {brokers}: a batch of messages cannot be decoded ({type(error).__name__}: {reason(error)})\n"
            f"  hint: {SKIP}"
        ) from error


def _said(error: BaseException) -> str:
    """The error in words, with the partition as others write it."""
    text = re.sub(r"TopicPartition\(topic='([^']*)', partition=(\d+)\)", r"\1[\2]", reason(error))
    name = type(error).__name__
    return text if text == name else f"{name}: {text}"
