"""Kafka into the embedded engine, against a real broker."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python reads its own schemas with a function that is deprecated
    import kafka.admin  # noqa: F401

LEFT_BY_KAFKA_PYTHON = "ignore:unclosed <socket:ResourceWarning"
"""Sockets that did not connect are left to the garbage collector."""
