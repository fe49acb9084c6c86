"""A Python function that fails for some rows, as models do in production."""

from __future__ import annotations


def shaky_v1(price: float) -> float:
    """Double a price; raises ValueError for one below zero."""
    if price < 0:
        raise ValueError(f"a price of {price}")
    return 2 * price
