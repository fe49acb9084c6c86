"""Nearest items by cosine, exactly, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLOCK_BYTES = 128 * 1024 * 1024


def nearest(
    vectors: np.ndarray, k: int, done: Callable[[int], None] = lambda rows: None
) -> tuple[np.ndarray, np.ndarray]:
    """Give for each unit vector the rows of its `k` nearest others and the cosines, nearest first.

    Shapes are rows × min(k, rows − 1). Equal cosines are ordered by row. A block of the similarity matrix and its
    partition take at most three times `BLOCK_BYTES`. `done` hears how many rows each block had.
    """
    rows = len(vectors)
    k = min(k, rows - 1)
    ids = np.empty((rows, k), np.int32)
    cosines = np.empty((rows, k), np.float32)
    block = max(1, BLOCK_BYTES // (4 * rows))
    for start in range(0, rows, block):
        end = min(start + block, rows)
        similarity = vectors[start:end] @ vectors.T
        own = np.arange(end - start)
        similarity[own, own + start] = -np.inf
        top = np.sort(np.argpartition(-similarity, k - 1, axis=1)[:, :k], axis=1)
        values = np.take_along_axis(similarity, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        ids[start:end] = np.take_along_axis(top, order, axis=1)
        cosines[start:end] = np.clip(np.take_along_axis(values, order, axis=1), -1.0, 1.0)
        done(end - start)
    return ids, cosines
