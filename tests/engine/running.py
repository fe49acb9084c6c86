"""A worker that runs by itself in a thread, as it does in production."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from millstream.engine.tick.worker import Worker

PATIENCE = 30.0  # seconds within which anything that must happen has happened, even on a busy machine


@contextmanager
def running(dsn: str, **options: int) -> Iterator[Worker]:
    """Run a worker within the block; an error of it fails the test."""
    stop = threading.Event()
    failures: list[Exception] = []

    def run(worker: Worker) -> None:
        try:
            worker.run(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails with it
            failures.append(error)

    with Worker(dsn, **options) as worker:
        thread = threading.Thread(target=run, args=(worker,), name="worker")
        thread.start()
        try:
            yield worker
        finally:
            stop.set()
            thread.join(PATIENCE)
            if failures:
                raise failures[0]
        assert not thread.is_alive()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, looking again and again; fail if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
