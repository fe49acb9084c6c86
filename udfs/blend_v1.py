"""Orders one user's candidates: what SQL says of them, how close they are to the user, and variety.

The file stands alone, because two servers load it: the embedded engine in its worker, and `src/udf_server` for
RisingWave. A change that alters answers belongs in a `blend_v2`, as RisingWave never replaces a function.
"""

from __future__ import annotations

import heapq
import os
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

# Constants, and no vars of dbt: RisingWave never replaces a function, so other numbers are another function.
LIST_LENGTH = 50
# A k-th repetition of a category or a brand keeps 0.75 * 0.5^k + 0.25 of its score: 1, 0.63, 0.44, ... 0.25.
DIVERSITY_SPAN, DIVERSITY_FLOOR, DIVERSITY_DECAY = 0.75, 0.25, 0.5
# Two versions are in memory while a retrained one takes over.
VERSIONS_IN_MEMORY = 2
VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Recommended(TypedDict):
    """One recommended item; `score` falls along the list."""

    item_id: str
    score: float
    strategy: str
    reason_item_id: str | None


@dataclass(frozen=True, slots=True)
class ItemVectors:
    """Unit vectors of one model version: row `rows[item_id]` of `matrix` (items, dimensions)."""

    rows: dict[str, int]
    matrix: NDArray[np.float32]
    stamp: tuple[int, int]
    """Time of change (nanoseconds) and size (bytes) of the file that was read."""


_loaded: OrderedDict[Path, ItemVectors] = OrderedDict()
_lock = threading.Lock()
"""Held while `_loaded` changes: a server calls from several threads."""


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
) -> list[Recommended]:
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
        Recommended(
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


def item_vectors(model_version: str | None) -> ItemVectors | None:
    """The vectors of a version from `<home>/models/<version>.npz`, or None when there is no such file.

    The file holds `item_ids` (text) and `vectors` (items, dimensions); home is `MILLSTREAM_HOME`, else `.millstream`.
    A version's file never changes, so it is read once; a version that is missing is looked for again.
    """
    if not model_version or not VERSION_NAME.fullmatch(model_version):
        return None
    path = models_folder() / f"{model_version}.npz"
    with _lock:
        loaded = _loaded.get(path)
        if loaded is None:
            if not path.is_file():
                return None
            loaded = read_vectors(path)
        keep(path, loaded)
    return loaded


def models_folder() -> Path:
    """Where the files of the versions are."""
    return Path(os.environ.get("MILLSTREAM_HOME", ".millstream"), "models")


def keep(path: Path, vectors: ItemVectors) -> None:
    """Put a version in memory as the last one used, and the one that was not used for longest out of it."""
    _loaded[path] = vectors
    _loaded.move_to_end(path)
    while len(_loaded) > VERSIONS_IN_MEMORY:
        _loaded.popitem(last=False)


def read_vectors(path: Path) -> ItemVectors:
    """Read one version's file. Raises OSError, ValueError, KeyError or BadZipFile for a file that is not one."""
    stamp = stamp_of(path)
    with np.load(path, allow_pickle=False) as arrays:
        item_ids = [str(item_id) for item_id in arrays["item_ids"]]
        vectors = arrays["vectors"].astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0.0] = 1.0
    return ItemVectors({item_id: row for row, item_id in enumerate(item_ids)}, vectors / lengths, stamp)


def stamp_of(path: Path) -> tuple[int, int]:
    """What changes when a file does: its time of change (nanoseconds) and its size (bytes)."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def model_versions() -> dict[str, int]:
    """The versions in memory, the one used last at the end, and how many items each has a vector for."""
    with _lock:
        return {path.stem: len(vectors.rows) for path, vectors in _loaded.items()}


def refresh_models(*, everything: bool = False) -> list[str]:
    """Read the newest version's file if it is not in memory, and those in memory whose file changed; return their names.

    With `everything` all files in memory are read again, changed or not. Calls go on with the old vectors meanwhile,
    and for good where a file cannot be read: then an ExceptionGroup is raised after the others were read.
    """
    with _lock:
        known = {path: vectors.stamp for path, vectors in _loaded.items()}
    newest = max(models_folder().glob("*.npz"), key=stamp_of, default=None)
    wanted = [path for path in known if path.is_file() and (everything or stamp_of(path) != known[path])]
    if newest is not None and newest not in known:
        wanted.append(newest)
    errors: list[Exception] = []
    read = []
    for path in wanted:
        try:
            vectors = read_vectors(path)
        except Exception as error:  # noqa: BLE001 - a file may be anything: the vectors in memory stay
            error.add_note(str(path))
            errors.append(error)
            continue
        with _lock:
            keep(path, vectors)
        read.append(path.stem)
    if errors:
        raise ExceptionGroup("model files cannot be read", errors)
    return read
