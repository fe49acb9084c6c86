"""Train item vectors from the purchases in the database and put them, with their neighbours, into service."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from rich.progress import Progress

from loaders.embeddings.baskets import Baskets, Line, gather, read_lines
from loaders.embeddings.hit_rate import Quality, measure
from loaders.embeddings.item_vectors import Model, Parameters, train, version_of
from loaders.embeddings.neighbours import nearest
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EMBEDDING_NEIGHBOURS, ITEM_VECTORS, SourceRelation
from loaders.target.connection import WriterConnection
from loaders.target.progress import progress_bars

RELATION = "events"
EVENT_TYPES = ("purchase",)
NEIGHBOURS = 20


@dataclass
class Training:
    """What a training did. `is_new` is false where the same data and parameters were in service already."""

    version: str
    is_new: bool
    items: int
    baskets: int
    lines: int
    path: str
    variants: int
    quality: Quality | None
    seconds: float


def embed(
    dsn: str,
    home: Path,
    *,
    relation: str = RELATION,
    event_types: Sequence[str] = EVENT_TYPES,
    lines: Iterable[Line] | None = None,
    parameters: Parameters | None = None,
    neighbours: int = NEIGHBOURS,
    measure_quality: bool = True,
    show_progress: bool = True,
) -> Training:
    """Train on the baskets of `relation` (or on the given lines), write the model file, then swap the relations.

    The same data and parameters give the same version; if that is in service, nothing is trained. The file
    `<home>/models/<version>.npz` (item_ids, vectors) is complete before any row names its version. All rows of both
    relations and `ranking_models.model_version` change in one transaction, so every reader sees one whole version.

    Raises LoaderError when there are too few purchases or the server goes away.
    """
    began = time.monotonic()
    parameters = parameters or Parameters()
    try:
        with (
            WriterConnection(dsn, application="millstream-embed") as target,
            progress_bars(show=show_progress) as bars,
        ):
            step = bars.add_task("read purchases", total=None, rows=0, note="")
            target.flush(tries=1)
            baskets = gather(read_lines(target, relation, event_types) if lines is None else lines)
            read = int(baskets.contents.nnz)
            bars.update(step, total=read, completed=read, rows=read, note=f"{len(baskets.persons):,} baskets")
            version = version_of(baskets, parameters)
            path = home / "models" / f"{version}.npz"
            items = _items_in_service(target, version, path)
            is_new = items is None
            if items is None:
                model = _train(baskets, parameters, bars)
                save(model, path)
                publish(target, model, neighbours, bars)
                items = len(model.item_ids)
            quality = _measure(baskets, parameters, bars) if measure_quality and is_new else None
            variants = len(_versions(target))
    except psycopg.errors.UndefinedTable as error:
        raise LoaderError(f"{error.diag.message_primary}: deploy the project first (dbt run)") from error
    except psycopg.OperationalError as error:
        raise LoaderError(
            f"the server went away ({str(error).strip().splitlines()[0]}); start it again and repeat the command: "
            "nothing is in service before all of it is"
        ) from error
    seconds = time.monotonic() - began
    return Training(version, is_new, items, len(baskets.persons), read, str(path), variants, quality, seconds)


def save(model: Model, path: Path) -> None:
    """Write a model file in one step: it is whole or not there. Item ids are text, vectors float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, item_ids=np.asarray(model.item_ids, dtype=np.str_), vectors=model.vectors)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def publish(
    target: WriterConnection, model: Model, neighbours: int = NEIGHBOURS, bars: Progress | None = None
) -> None:
    """Put a model into service: upsert its rows, delete those of items it does not have, name it in `ranking_models`.

    One transaction, one tick: no reader sees two versions or none. (RisingWave has no write transactions: there each
    statement shows by itself and every row says which version it is of; rows are never missing in between.)
    """
    ids, cosines = nearest(model.vectors, neighbours)
    with target.transaction():
        target.copy(ITEM_VECTORS, _vector_rows(model))
        target.copy(EMBEDDING_NEIGHBOURS, _neighbour_rows(model, ids, cosines))
        for relation in (ITEM_VECTORS, EMBEDDING_NEIGHBOURS):
            gone = sorted(set(target.keys(relation)) - set(model.item_ids))
            if gone:
                target.delete(relation, gone)
        target.connection.execute("update ranking_models set model_version = %s", [model.version])
    target.flush()


def load_model(path: Path) -> Model:
    """Read a model file. Raises LoaderError if it is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Model(path.stem, file["item_ids"].tolist(), file["vectors"])
    except (OSError, ValueError, KeyError) as error:
        raise LoaderError(
            f"{path} is no model file ({error}); delete it and train again: millstream embed"
        ) from error


def _train(baskets: Baskets, parameters: Parameters, bars: Progress) -> Model:
    step = bars.add_task("train vectors", total=None, rows=0, note="")
    model = train(baskets, parameters)
    bars.update(step, total=1, completed=1, rows=len(model.item_ids), note=model.version)
    return model


def _measure(baskets: Baskets, parameters: Parameters, bars: Progress) -> Quality | None:
    step = bars.add_task("measure hit rate", total=None, rows=0, note="")
    quality = measure(baskets, parameters)
    bars.update(step, total=1, completed=1, rows=quality.queries if quality else 0)
    return quality


def _items_in_service(target: WriterConnection, version: str, path: Path) -> int | None:
    """Give the number of items of a version that is wholly in service, or None."""
    if not path.exists():
        return None
    expected = len(load_model(path).item_ids)
    whole = all(
        _counts(target, relation) == {version: expected} for relation in (ITEM_VECTORS, EMBEDDING_NEIGHBOURS)
    )
    return expected if whole and set(_versions(target)) <= {version} else None


def _counts(target: WriterConnection, relation: SourceRelation) -> dict[str, int]:
    statement = f"select model_version, count(*) from {relation.name} group by model_version"
    return dict(target.connection.execute(statement))


def _versions(target: WriterConnection) -> list[str | None]:
    return [row[0] for row in target.connection.execute("select model_version from ranking_models")]


def _vector_rows(model: Model) -> Iterator[tuple[object, ...]]:
    for item, vector in zip(model.item_ids, model.vectors, strict=True):
        yield item, model.version, vector.astype(np.float64).tolist()


def _neighbour_rows(model: Model, ids: np.ndarray, cosines: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Neighbours that point away (cosine ≤ 0) are none."""
    for item, nearest_ids, scores in zip(
        model.item_ids, ids.tolist(), cosines.astype(np.float64).tolist(), strict=True
    ):
        near = [
            (model.item_ids[other], score)
            for other, score in zip(nearest_ids, scores, strict=True)
            if score > 0
        ]
        yield item, model.version, [other for other, _ in near], [score for _, score in near]
