"""The error of this package; its text says what is wrong, where, and the remedy."""

from __future__ import annotations

from millstream.errors import MillstreamError


class ServerError(MillstreamError):
    """The PostgreSQL server cannot be found, started, reached or stopped."""
