"""Kafka into the embedded engine, against a real broker."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python reads its own schemas with a function that is deprecated
    import kafka.admin  # noqa: F401
