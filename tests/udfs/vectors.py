"""Files of item vectors as `millstream embed` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save(models: Path, version: str, **vectors: list[float]) -> None:
    """Write a version of these vectors, by item."""
    np.savez(
        models / f"{version}.npz",
        item_ids=np.array(list(vectors)),
        vectors=np.array(list(vectors.values()), dtype=np.float32),
    )
