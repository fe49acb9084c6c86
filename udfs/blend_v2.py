"""Makes one user's list of the lists that strategies found: sums, closeness to the user, and variety.

The file stands alone, because two servers load it: the embedded engine in its worker, and `src/udf_server` for
RisingWave. A change that alters answers belongs in a `blend_v3`, as RisingWave never replaces a function.
"""

from __future__ import annotations

import heapq
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

RECENT, EMBEDDING = "recent", "embedding"
DIGITS = 6  # of a score
LARGEST = 1e9  # a score beyond counts as this much, so that no weight makes a list fail
VERSIONS_IN_MEMORY = 2  # while a retrained one takes over
VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Numbers = NDArray[np.intp]
Scores = NDArray[np.float64]
Facts = tuple[str | None, str | None]
"""Category and brand of an item."""

LOOKED_UP = {"items": ("item_id", ("category", "brand"))}
"""What `look_up` is asked for: a relation, its key, and the columns that are read by it."""


def nothing(relation: str, keys: Collection[str]) -> Mapping[str, Facts]:
    """Know of no item: until a server sets another `look_up`."""
    return {}


look_up: Callable[[str, Collection[str]], Mapping[str, Facts]] = nothing
"""Set by the server that loads this file: reads rows of its database by key, from memory where it can."""


class CandidateList(TypedDict):
    """Items that one strategy found for one reason, best first; of `recent`, the newest first."""

    strategy: str
    reason_item_id: str | None
    weight: float
    factor: float
    item_ids: Sequence[str]
    scores: Sequence[float] | None


class Recommended(TypedDict):
    """One recommended item; `score` falls along the list.

    `strategy` and `reason_item_id` are those of the list that says the item loudest. `strategies` are all that say it,
    and `contributions` what each of them adds to its score before variety takes from that.
    """

    item_id: str
    score: float
    strategy: str
    reason_item_id: str | None
    strategies: list[str]
    contributions: list[float]


@dataclass(frozen=True, slots=True)
class Entries:
    """All entries of a user's lists: entry e says item `items[e]` with `scores[e]`, in list `lists[e]` of `found`."""

    found: Sequence[CandidateList]
    names: dict[str, int]
    """The number of each item, counted from 0 as they come."""
    items: Numbers
    lists: Numbers
    scores: Scores


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


def blend_v2(
    lists: Sequence[CandidateList],
    weighed: Sequence[str] | None,
    weights: Sequence[float] | None,
    candidates: int,
    list_length: int,
    repeat_decay: float,
    repeat_floor: float,
    model_version: str | None,
) -> list[Recommended]:
    """Recommend at most `list_length` items to one user, best first.

    An item of a list scores the list's weight · its factor · the item's score in it, or 1 / (place + 1) where the list
    has no scores; an item is no reason for itself. `weights` of the strategies `weighed` take the place of the lists'
    own. What all lists say of an item is summed. The best go on, until they are `candidates` with the user's recent
    items, of which those go on that a list says.

    One that has a vector in `model_version` gets the weight of strategy `embedding` · its cosine with the user's
    vector in place of what that strategy gave. The user's vector is the mean of those of the items in list `recent`,
    which are no candidates, the n-th weighing 1 / n; a negative cosine counts 0. Without such a vector, or without the
    version's file, the score stays. Then the best are chosen one by one: a k-th repetition of a category or a brand
    keeps `repeat_floor` + (1 - `repeat_floor`) · `repeat_decay`^k of its score. Equal scores order by item id.

    Raises ValueError where arrays that belong together differ in length; the caller turns it into NULL for this user.
    """
    weight_of = dict(zip(weighed or (), weights or (), strict=True))
    recent = next((each for each in lists if each["strategy"] == RECENT), None)
    own = recent["item_ids"] if recent is not None else ()
    entries = entries_of([each for each in lists if each["strategy"] != RECENT], weight_of)
    item_ids, numbers = best(entries, own, candidates)
    loudest, strategies, shares = by_strategy(entries, numbers)
    scores = np.round(shares.sum(axis=1), DIGITS)
    if recent is not None:
        closeness, embedding = weight_of.get(EMBEDDING, recent["weight"]), strategies.index(EMBEDDING)
        for place, cosine in user_cosines(item_ids, own, model_version).items():
            share = min(closeness * max(cosine, 0.0), LARGEST)
            scores[place] += share - round(shares[place, embedding], DIGITS)
            shares[place, embedding] = share
    said, facts = np.round(shares, DIGITS).tolist(), look_up("items", item_ids)
    spread = diversified(item_ids, scores.tolist(), facts, list_length, repeat_decay, repeat_floor)
    return [
        Recommended(
            item_id=item_ids[place],
            score=score,
            strategy=loudest[place]["strategy"],
            reason_item_id=loudest[place]["reason_item_id"],
            strategies=[name for name, share in zip(strategies, said[place], strict=True) if share],
            contributions=[share for share in said[place] if share],
        )
        for place, score in spread
    ]


def entries_of(found: Sequence[CandidateList], weight_of: Mapping[str, float]) -> Entries:
    """Number the items of all lists, and weigh what each list says of them."""
    lengths = [len(each["item_ids"]) for each in found]
    places = 1.0 / np.arange(2, max(lengths, default=0) + 2)
    scores: list[Sequence[float] | Scores] = []
    for each, length in zip(found, lengths, strict=True):
        given = each["scores"]
        if given is not None and len(given) != length:
            raise ValueError(f"a list of {each['strategy']} has {length} items and {len(given)} scores")
        scores.append(places[:length] if given is None else given)
    everything = list(chain.from_iterable(each["item_ids"] for each in found))
    names = {item: number for number, item in enumerate(dict.fromkeys(everything))}
    items = np.array([names[item] for item in everything], dtype=np.intp)
    lists = np.repeat(np.arange(len(found)), lengths)
    worth = [weight_of.get(each["strategy"], each["weight"]) * each["factor"] for each in found]
    reasons = [names.get(each["reason_item_id"] or "", -1) for each in found]
    with np.errstate(over="ignore", invalid="ignore"):
        weighed = np.array(worth, dtype=np.float64)[lists] * np.concatenate([*scores, ()])
    weighed[items == np.array(reasons, dtype=np.intp)[lists]] = 0.0
    return Entries(found, names, items, lists, np.clip(np.nan_to_num(weighed), -LARGEST, LARGEST))


def best(entries: Entries, own: Sequence[str], candidates: int) -> tuple[list[str], Numbers]:
    """The user's own items that a list says, and the best others, `candidates` with all own: their ids and numbers."""
    others_wanted = max(candidates - len(own), 0)
    names = list(entries.names)
    totals = np.round(np.bincount(entries.items, entries.scores, len(names)), DIGITS)
    mine = [entries.names[item] for item in own if item in entries.names]
    others = totals.copy()
    others[mine] = 0.0
    (left,) = np.nonzero(others > 0.0)
    if len(left) > others_wanted > 0:
        least = np.partition(others[left], len(left) - others_wanted)[len(left) - others_wanted]
        left = left[others[left] >= least]
    ordered = sorted((-others[number], names[number], number) for number in left.tolist())[:others_wanted]
    numbers = [number for number in mine if totals[number] > 0.0] + [number for _, _, number in ordered]
    return [names[number] for number in numbers], np.array(numbers, dtype=np.intp)


def by_strategy(entries: Entries, numbers: Numbers) -> tuple[list[CandidateList], list[str], Scores]:
    """For some items: the list that says each loudest, all strategies by name, and what each gives (items, strategies).

    Of lists that are equally loud the first counts.
    """
    strategies = sorted({EMBEDDING, *(each["strategy"] for each in entries.found)})
    column = np.array([strategies.index(each["strategy"]) for each in entries.found], dtype=np.intp)
    row_of = np.full(len(entries.names), -1)
    row_of[numbers] = np.arange(len(numbers))
    rows = row_of[entries.items]
    kept = rows >= 0
    rows, lists, scores = rows[kept], entries.lists[kept], entries.scores[kept]
    cells = np.bincount(rows * len(strategies) + column[lists], scores, len(numbers) * len(strategies))
    shares = cells.astype(np.float64, copy=False).reshape(len(numbers), len(strategies))
    loud = np.lexsort((-scores, rows))
    first = np.flatnonzero(np.diff(rows[loud], prepend=-1))
    loudest = [entries.found[number] for number in lists[loud[first]].tolist()]
    return loudest, strategies, shares


def user_cosines(item_ids: Sequence[str], own: Sequence[str], model_version: str | None) -> dict[int, float]:
    """Cosine with the user's vector by place of the items that have a vector; none if the user has none."""
    vectors = item_vectors(model_version)
    if vectors is None:
        return {}
    mine = [(1.0 / n, vectors.rows[item]) for n, item in enumerate(own, 1) if item in vectors.rows]
    places = [place for place, item in enumerate(item_ids) if item in vectors.rows]
    if not mine or not places:
        return {}
    weights = np.array([weight for weight, _ in mine], dtype=np.float32)
    user = weights @ vectors.matrix[[row for _, row in mine]]
    length = float(np.linalg.norm(user))
    if length == 0.0:
        return {}
    cosines = vectors.matrix[[vectors.rows[item_ids[place]] for place in places]] @ user / length
    return dict(zip(places, cosines.tolist(), strict=True))


def diversified(
    item_ids: Sequence[str],
    scores: Sequence[float],
    facts: Mapping[str, Facts],
    list_length: int,
    repeat_decay: float,
    repeat_floor: float,
) -> list[tuple[int, float]]:
    """Choose greedily, each choice making its category and its brand worth less: (place, score as chosen).

    A score only falls as others are chosen: the top of the heap is the choice if its score is still true (lazy greedy).
    """
    keep = [repeat_floor + (1.0 - repeat_floor) * repeat_decay**k for k in range(list_length + 1)]
    groups = [
        [(kind, value) for kind, value in enumerate(facts.get(item, ())) if value is not None]
        for item in item_ids
    ]
    seen: dict[tuple[int, str], int] = {}
    chosen: list[tuple[int, float]] = []
    heap = [
        (-round(score, DIGITS), item, n) for n, (score, item) in enumerate(zip(scores, item_ids, strict=True))
    ]
    heapq.heapify(heap)
    while heap and len(chosen) < list_length:
        bound, item, place = heap[0]
        score = scores[place]
        for group in groups[place]:
            score *= keep[seen.get(group, 0)]
        score = round(score, DIGITS)
        if -score > bound:
            heapq.heapreplace(heap, (-score, item, place))
            continue
        heapq.heappop(heap)
        chosen.append((place, score))
        for group in groups[place]:
            seen[group] = seen.get(group, 0) + 1
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
