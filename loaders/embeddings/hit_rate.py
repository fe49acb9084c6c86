"""How good item vectors are: hidden items of everybody's last basket, found again from the rest of that basket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from loaders.embeddings.baskets import Baskets
from loaders.embeddings.item_vectors import Parameters, vectors_of
from loaders.schema.errors import LoaderError

K = 20
HIDDEN_PER_BASKET = 4
MAX_QUERIES = 8_000
BLOCK = 512
SEED = 7


@dataclass(frozen=True)
class Quality:
    """Shares of hidden items among the first 20 of all items, by three ways to rank them.

    `cosine`: nearness to the mean vector of the other items. `blended`: that times ln(1 + baskets with the item), which
    is closer to what a blend with a popularity feature serves. `popularity`: baskets with the item alone, the baseline.
    """

    queries: int
    cosine: float
    blended: float
    popularity: float


def measure(baskets: Baskets, parameters: Parameters) -> Quality | None:
    """Train on all baskets but the last of each person who has two or more, and look for up to 4 hidden items in each.

    An item counts as a miss where training gave it no vector; items of the same basket that were shown are no answers.
    Returns None where no basket can be held out.
    """
    held_out = last_baskets(baskets)
    known = baskets.part(~held_out)
    counts = np.asarray(known.sum(axis=0)).ravel()
    shown, hidden = _queries(baskets.part(held_out), counts > 0)
    if not len(hidden):
        return None
    try:
        kept, vectors = vectors_of(known, parameters)
    except LoaderError:
        return None
    place = np.full(len(counts), -1)
    place[kept] = np.arange(len(kept))
    weight = np.log1p(counts[kept]).astype(np.float32)
    found = np.zeros(3, np.int64)
    for start in range(0, len(hidden), BLOCK):
        query, answer = shown[start : start + BLOCK], hidden[start : start + BLOCK]
        query_kept = query[:, kept]
        similarity = (query_kept @ vectors) @ vectors.T
        popularity = np.broadcast_to(counts, query.shape)
        found += [
            _hits(similarity, query_kept.nonzero(), place[answer]),
            _hits(similarity * weight, query_kept.nonzero(), place[answer]),
            _hits(popularity, query.nonzero(), answer),
        ]
    cosine, blended, popular = (found / len(hidden)).tolist()
    return Quality(len(hidden), cosine, blended, popular)


def last_baskets(baskets: Baskets) -> np.ndarray:
    """Mark the last basket of every person with two or more; of two that end together the later row is the last."""
    order = np.lexsort((np.arange(len(baskets.ended)), baskets.ended, baskets.persons))
    persons = baskets.persons[order]
    is_last = np.append(persons[1:] != persons[:-1], True)
    is_first = np.insert(persons[1:] != persons[:-1], 0, True)
    marked = np.zeros(len(order), bool)
    marked[order] = is_last & ~is_first & (persons >= 0)
    return marked


def _queries(held_out: csr_array, is_known: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """Hide items of each basket in turn. Returns queries × items (the shown items, weights that sum to 1) and the hidden."""
    random = np.random.default_rng(SEED)
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    hidden: list[int] = []
    for basket in range(held_out.shape[0]):
        items = held_out.indices[held_out.indptr[basket] : held_out.indptr[basket + 1]]
        items = items[is_known[items]]
        if len(items) < 2:
            continue
        for place in random.permutation(len(items))[:HIDDEN_PER_BASKET].tolist():
            others = np.delete(items, place)
            rows.append(np.full(len(others), len(hidden)))
            columns.append(others)
            weights.append(np.full(len(others), 1 / len(others), np.float32))
            hidden.append(int(items[place]))
        if len(hidden) >= MAX_QUERIES:
            break
    shape = (len(hidden), held_out.shape[1])
    if not hidden:
        return csr_array(shape, dtype=np.float32), np.empty(0, np.int64)
    cells = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(cells, shape=shape), np.asarray(hidden)


def _hits(scores: np.ndarray, taken: tuple[np.ndarray, np.ndarray], answer: np.ndarray) -> int:
    """Count the queries whose answer has fewer than 20 better columns; an answer of −1 has no column and is a miss.

    Among equal scores an answer stands in the middle of its equals, so that a query without any signal is no hit.
    """
    scores = scores.copy()
    scores[taken] = -np.inf
    wanted = scores[np.arange(len(answer)), answer][:, None]
    better = (scores > wanted).sum(axis=1) + ((scores == wanted).sum(axis=1) - 1) // 2
    return int(np.count_nonzero((better < K) & (answer >= 0)))
