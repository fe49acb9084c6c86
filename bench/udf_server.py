"""Lists a second that the functions' server answers over Arrow Flight: `python -m bench.udf_server`.

Starts the server as a process, without and with vectors (20,000 items, 64 dimensions), and calls `blend_v2` for people with
40 lists of 20 candidates each, as RisingWave does: one chunk of rows a call. RisingWave gives up on a call after 5 seconds, so the
slowest call matters as much as the rate.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.udf_server.calling import Client, Process, column

ITEMS, DIMENSIONS = 20_000, 64
RECENT, LENGTH = 10, 20
STRATEGIES = ("bought_together", "covisitation", "embedding", "trending")
VERSION = "vectors"


def write_vectors(home: Path) -> None:
    """A model version with a random vector for every item."""
    (home / "models").mkdir()
    vectors = np.random.default_rng(0).standard_normal((ITEMS, DIMENSIONS), dtype=np.float32)
    np.savez(
        home / "models" / f"{VERSION}.npz",
        item_ids=np.array([f"i{i}" for i in range(ITEMS)]),
        vectors=vectors,
    )


def person(chance: random.Random, version: str | None) -> tuple[Any, ...]:
    """Arguments for one person: some recent items, and for each a list of every strategy."""
    own = [f"i{chance.randrange(ITEMS)}" for _ in range(RECENT)]
    lists = [
        {
            "strategy": strategy,
            "reason_item_id": reason,
            "weight": 1.0,
            "factor": 1.0 / place,
            "item_ids": [f"i{chance.randrange(ITEMS)}" for _ in range(LENGTH)],
            "scores": sorted((chance.random() for _ in range(LENGTH)), reverse=True),
        }
        for strategy in STRATEGIES
        for place, reason in enumerate(own, 1)
    ]
    recent = {"strategy": "recent", "weight": 0.2, "factor": 0.0, "item_ids": own}
    return [*lists, recent], None, None, 75, 50, 0.5, 0.25, version


def chunk_of(client: Client, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows as RisingWave sends them."""
    types, _ = client.signature("blend_v2")
    columns = [column(values, type_) for values, type_ in zip(zip(*rows, strict=True), types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=[""] * len(types))


def measure(port: int, version: str | None, callers: int, rows: int, calls: int) -> str:
    """One line: rows a second over all callers, and the time of a call."""
    chance = random.Random(1)
    clients = [Client(port) for _ in range(callers)]
    chunks = [chunk_of(client, [person(chance, version) for _ in range(rows)]) for client in clients]
    seconds: list[float] = []

    def run(client: Client, chunk: pa.RecordBatch) -> None:
        for _ in range(calls):
            began = time.perf_counter()
            client.exchange("blend_v2", chunk)
            seconds.append(time.perf_counter() - began)

    clients[0].exchange("blend_v2", chunks[0])
    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(run, clients, chunks))
    rate = callers * calls * rows / (time.perf_counter() - started)
    median, slowest = sorted(seconds)[len(seconds) // 2], max(seconds)
    return (
        f"{'yes' if version else 'no':>7} {callers:>7} {rows:>6} {rate:>8,.0f} {median:>8.2f} {slowest:>8.2f}"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", default="4", help="threads of the server (4)")
    parser.add_argument("--calls", type=int, default=6, help="calls of each caller (6)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_vectors(Path(folder))
        with Process("--threads", arguments.threads, home=Path(folder)) as process:
            print("vectors callers   rows   rows/s  median s  slowest s")
            for version in (None, VERSION):
                for callers, rows in ((1, 256), (4, 256), (1, 1024), (4, 1024)):
                    print(measure(process.port, version, callers, rows, arguments.calls), flush=True)


if __name__ == "__main__":
    main()
