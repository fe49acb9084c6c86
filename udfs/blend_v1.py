"""Orders one user's candidates, for what the release before deployed: until `dbt run` its views call it. See blend_v2.py."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from udfs.blend_v2 import item_vectors

# Constants, and no vars of dbt: RisingWave never replaces a function, so other numbers are another function.
LIST_LENGTH = 50
# A k-th repetition of a category or a brand keeps 0.75 * 0.5^k + 0.25 of its score: 1, 0.63, 0.44, ... 0.25.
DIVERSITY_SPAN, DIVERSITY_FLOOR, DIVERSITY_DECAY = 0.75, 0.25, 0.5


class RecommendedBefore(TypedDict):
    """One recommended item; `score` falls along the list."""

    item_id: str
    score: float
    strategy: str
    reason_item_id: str | None


def blend_v1(
    item_ids: Sequence[str],
    sql_scores: Sequence[float],
    embedding_scores: Sequence[float],
    recencies: Sequence[float],
    categories: Sequence[str | None],
    brands: Sequence[str | None],
    strategies: Sequence[str],
    reason_item_ids: Sequence[str | None],
    embedding_weight: float | None,
    model_version: str | None,
) -> list[RecommendedBefore]:
    """Recommend at most 50 items to one user, best first.

    All sequences have one entry per item. `sql_scores` are the weighted sums over all strategies and
    `embedding_scores` the part of them that strategy `embedding` gave; `recencies` are positive for the user's recent
    items and 0 for the rest. Items with an SQL score of 0 are the user's own recent items: they shape the user's
    vector and are not recommended.

    An item that has a vector in `model_version` gets `embedding_weight` times its cosine with the user's vector (the
    mean of the recent items' vectors, weighted by recency; negative cosines count 0) in place of its embedding score.
    Without such a vector, or without the version's file, the embedding score stays. Equal scores order by item id.

    Raises ValueError when the sequences differ in length; the caller turns it into NULL for this user only.
    """
    lengths = {
        len(column)
        for column in (
            item_ids,
            sql_scores,
            embedding_scores,
            recencies,
            categories,
            brands,
            strategies,
            reason_item_ids,
        )
    }
    if len(lengths) != 1:
        raise ValueError(
            f"blend_v1: the arrays have different lengths {sorted(lengths)}; aggregate them together"
        )
    scores = list(sql_scores)
    for i, cosine in user_cosines(item_ids, recencies, model_version).items():
        scores[i] += (embedding_weight or 0.0) * max(cosine, 0.0) - embedding_scores[i]
    candidates = [i for i, score in enumerate(sql_scores) if score > 0]
    return [
        RecommendedBefore(
            item_id=item_ids[i], score=score, strategy=strategies[i], reason_item_id=reason_item_ids[i]
        )
        for i, score in diversified(candidates, scores, item_ids, categories, brands)
    ]


def user_cosines(
    item_ids: Sequence[str], recencies: Sequence[float], model_version: str | None
) -> dict[int, float]:
    """Cosine with the user's vector for each position whose item has a vector; none if the user has none."""
    vectors = item_vectors(model_version)
    if vectors is None:
        return {}
    known = [(i, vectors.rows[item]) for i, item in enumerate(item_ids) if item in vectors.rows]
    weights = np.array([recencies[i] for i, _ in known], dtype=np.float32)
    if not weights.any():
        return {}
    matrix = vectors.matrix[[row for _, row in known]]
    user = weights @ matrix
    length = float(np.linalg.norm(user))
    if length == 0.0:
        return {}
    cosines = matrix @ user / length
    return {i: float(cosine) for (i, _), cosine in zip(known, cosines, strict=True)}


def diversified(
    candidates: Sequence[int],
    scores: Sequence[float],
    item_ids: Sequence[str],
    categories: Sequence[str | None],
    brands: Sequence[str | None],
) -> list[tuple[int, float]]:
    """Choose greedily, each choice making its category and its brand worth less: (position, score as chosen).

    A score only falls as others are chosen, so an entry of the heap is an upper bound: the top is the choice if its
    score is still true (lazy greedy evaluation).
    """
    chosen: list[tuple[int, float]] = []
    seen: Counter[tuple[str, str]] = Counter()

    def worth(i: int) -> float:
        factor = 1.0
        for kind, value in (("category", categories[i]), ("brand", brands[i])):
            if value is not None:
                repeats = seen[kind, value]
                factor *= DIVERSITY_SPAN * DIVERSITY_DECAY**repeats + DIVERSITY_FLOOR
        return round(scores[i] * factor, 6)

    heap = [(-round(scores[i], 6), item_ids[i], i) for i in candidates]
    heapq.heapify(heap)
    while heap and len(chosen) < LIST_LENGTH:
        bound, item_id, i = heap[0]
        score = worth(i)
        if -score > bound:
            heapq.heapreplace(heap, (-score, item_id, i))
            continue
        heapq.heappop(heap)
        chosen.append((i, score))
        for kind, value in (("category", categories[i]), ("brand", brands[i])):
            if value is not None:
                seen[kind, value] += 1
    return chosen
