"""What a server that cannot start says."""

from __future__ import annotations


class FunctionServerError(Exception):
    """What is wrong, where, and the remedy."""
