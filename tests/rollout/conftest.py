"""Fixtures: the small project of the conformance tests and its recorded RisingWave."""

from tests.conformance.conftest import small, small_template

__all__ = ["small", "small_template"]
