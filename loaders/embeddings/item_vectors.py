"""Item vectors: a truncated singular value decomposition of which items share baskets.

The entries are positive pointwise mutual information with smoothed context counts (Levy, Goldberg, Dagan: Improving
distributional similarity with lessons learned from word embeddings, TACL 2015): baskets are the contexts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from loaders.embeddings.baskets import Baskets
from loaders.schema.errors import LoaderError

SEED = 20_260_301
DENSE_BELOW = 400


@dataclass(frozen=True)
class Parameters:
    """What decides about the vectors besides the data.

    `min_baskets`: an item needs so many baskets to get a vector. `max_items`: larger baskets are left out (resellers,
    bots). `smoothing`: exponent of the context counts, below 1 so that rare items do not become everybody's neighbours.
    """

    dimensions: int = 64
    min_baskets: int = 10
    max_items: int = 200
    smoothing: float = 0.75


@dataclass(frozen=True)
class Model:
    """Unit vectors (float32, one row per item) under a version that names the data and the parameters."""

    version: str
    item_ids: list[str]
    vectors: np.ndarray


def version_of(baskets: Baskets, parameters: Parameters) -> str:
    """Name a model by its dimensions and a digest of all that it is computed from."""
    digest = hashlib.sha256(json.dumps([asdict(parameters), SEED, baskets.items]).encode())
    for part in (baskets.contents.indptr, baskets.contents.indices):
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    return f"svd-{parameters.dimensions}-{digest.hexdigest()[:10]}"


def train(baskets: Baskets, parameters: Parameters) -> Model:
    """Compute the vectors. Raises LoaderError if fewer than two items share enough baskets."""
    kept, vectors = vectors_of(baskets.contents, parameters)
    return Model(version_of(baskets, parameters), [baskets.items[item] for item in kept.tolist()], vectors)


def vectors_of(contents: csr_array, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns of `contents` that have a vector, and their vectors. Raises LoaderError if there are too few."""
    together, counts, kept = co_occurrences(contents, parameters)
    information = positive_information(together, counts, int(contents.shape[0]), parameters.smoothing)
    if len(kept) < 2 or not information.nnz:
        raise LoaderError(
            f"too few items were bought together to train vectors: {len(kept):,} items are in {parameters.min_baskets} "
            "baskets or more; load more purchases, or lower --min-baskets"
        )
    left, values = _decompose(information, parameters.dimensions)
    vectors = left * np.sqrt(values)
    lengths = np.linalg.norm(vectors, axis=1)
    has_direction = lengths > 1e-6 * lengths.max()
    unit = vectors[has_direction] / lengths[has_direction, None]
    return kept[has_direction], unit.astype(np.float32)


def co_occurrences(contents: csr_array, parameters: Parameters) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Count shared baskets of every two items that are in enough baskets.

    Returns the symmetric counts without their diagonal, the number of baskets per kept item, and the kept columns.
    """
    rows = contents[np.flatnonzero(np.diff(contents.indptr) <= parameters.max_items)]
    counts = np.asarray(rows.sum(axis=0)).ravel()
    kept = np.flatnonzero(counts >= parameters.min_baskets)
    columns = rows[:, kept]
    together = (columns.T @ columns).tocsr()
    together.setdiag(0)
    together.eliminate_zeros()
    return together, counts[kept], kept


def positive_information(
    together: csr_array, counts: np.ndarray, baskets: int, smoothing: float
) -> csr_array:
    """max(0, ln(n_ab · N / (n_a · c_b))) with c_b = n_b^s · Σn / Σn^s for the baskets n of items a and b."""
    contexts = counts**smoothing
    contexts *= counts.sum() / contexts.sum() if len(counts) else 1.0
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    expected = counts[rows] * contexts[together.indices]
    values = np.maximum(np.log(together.data * baskets / expected), 0).astype(np.float32)
    cells = (values, together.indices.copy(), together.indptr.copy())
    information = csr_array(cells, shape=together.shape)
    information.eliminate_zeros()
    return information


def _decompose(matrix: csr_array, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the left singular vectors and values, largest first, always `dimensions` of them (zeros where none is left).

    ARPACK starts from a fixed vector, and the largest entry of each singular vector is made positive, so that the same
    matrix gives the same numbers.
    """
    size = matrix.shape[0]
    if size < DENSE_BELOW or size <= dimensions:
        left, values, _ = np.linalg.svd(matrix.toarray().astype(np.float64))
        left, values = left[:, :dimensions], values[:dimensions]
    else:
        start = np.random.default_rng(SEED).standard_normal(size).astype(np.float32)
        left, values, _ = svds(matrix, k=dimensions, v0=start, return_singular_vectors="u")
        order = np.argsort(-values)
        left, values = left[:, order], values[order]
    largest = np.abs(left).argmax(axis=0)
    signs = np.sign(left[largest, np.arange(left.shape[1])])
    missing = dimensions - left.shape[1]
    return np.pad(left * signs, ((0, 0), (0, missing))), np.pad(np.maximum(values, 0), (0, missing))
