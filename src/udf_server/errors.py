"""What a server that cannot start says."""

from __future__ import annotations


class ServerError(Exception):
    """What is wrong, where, and the remedy."""
