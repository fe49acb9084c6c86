"""Numbers with their noun, as people say them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 row, 2 rows, 12,000 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
