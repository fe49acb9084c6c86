"""What stops a loader; the text says what, where and the remedy."""

from __future__ import annotations


class LoaderError(Exception):
    """A load, a replay or a training that cannot go on. A bad row is never one: it is a `schema.rows.Rejected`."""
