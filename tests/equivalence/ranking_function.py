"""A Python function for the tests' per-user path: orders items by score times weight, and raises for a bad row."""

from __future__ import annotations

from collections.abc import Sequence


def order_items(
    item_ids: Sequence[str], scores: Sequence[float], weight: float | None
) -> list[dict[str, str | float]]:
    """Return at most three items with their scores, best first; ties by item."""
    if weight is None:
        raise ValueError("no weight")
    ranked = sorted(zip(item_ids, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [{"item_id": item, "score": score * weight} for item, score in ranked[:3]]
