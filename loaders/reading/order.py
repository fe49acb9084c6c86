"""Put a log into time order with bounded memory: sorted runs on disk, merged."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from operator import attrgetter
from typing import IO

from loaders.schema.rows import Event, Rejected, chunks, letters

RUN = 500_000
RUN_LETTERS = 100_000_000
BLOCK = 1_000
BLOCK_LETTERS = 1_000_000

_occurred_at = attrgetter("occurred_at")


def in_time_order(records: Iterable[Event | Rejected], run: int = RUN) -> Iterator[Event | Rejected]:
    """Give rejected rows first, then the events by `occurred_at`; equal times keep the order of the source.

    At most `run` events, of RUN_LETTERS letters together, are in memory. What does not fit is sorted in runs in temporary files and merged.
    """
    with ExitStack() as stack:
        runs: list[IO[bytes]] = []
        held: list[Event] = []
        size = 0
        for record in records:
            if isinstance(record, Rejected):
                yield record
                continue
            held.append(record)
            size += letters(record)
            if len(held) == run or size > RUN_LETTERS:
                runs.append(stack.enter_context(tempfile.TemporaryFile(prefix="millstream-run-")))
                _write_run(runs[-1], held)
                held, size = [], 0
        held.sort(key=_occurred_at)
        yield from heapq.merge(*(_read_run(file) for file in runs), held, key=_occurred_at)


def _write_run(file: IO[bytes], events: list[Event]) -> None:
    events.sort(key=_occurred_at)
    for block in chunks(events, BLOCK, BLOCK_LETTERS):
        pickle.dump(block, file, pickle.HIGHEST_PROTOCOL)
    file.seek(0)


def _read_run(file: IO[bytes]) -> Iterator[Event]:
    while True:
        try:
            yield from pickle.load(file)  # a private temporary file that this process wrote
        except EOFError:
            return
