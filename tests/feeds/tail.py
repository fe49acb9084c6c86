"""A watcher in a thread of its own, and what it has been given so far."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import psycopg

from millstream.feeds.change import Batch, Change, Dsn
from millstream.feeds.embedded import batches
from tests.engine.running import PATIENCE, eventually


class Tail:
    """Collects batches until the block ends; an error of the watcher fails the test unless `error` is looked at."""

    def __init__(
        self, dsn: Dsn, model: str, follow: Callable[..., Iterator[Batch]] = batches, **options: Any
    ) -> None:
        self.batches: list[Batch] = []
        self.said: list[str] = []
        self.error: Exception | None = None
        self.stop = threading.Event()
        self._found = follow(dsn, model, stop=self.stop, say=self.said.append, **options)
        self._thread = threading.Thread(target=self._run, name=f"watch {model}")

    def _run(self) -> None:
        try:
            for batch in self._found:
                self.batches.append(batch)
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop the watcher and wait for its end."""
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    @property
    def changes(self) -> list[Change]:
        return [change for batch in list(self.batches) for change in batch.changes]

    @property
    def lines(self) -> list[str]:
        """The changes as `+ first second`."""
        return [" ".join([c.op, *(str(value) for value in c.row.values())]) for c in self.changes]

    def has(self, *lines: str) -> None:
        """Wait until exactly these changes have come, in this order."""
        eventually(lambda: self.error is not None or len(self.changes) >= len(lines))
        assert self.error is None, self.error
        assert self.lines == list(lines)

    def reaches_lines(self, *lines: str) -> None:
        """Wait until the last changes are these, in any order."""
        eventually(lambda: self.error is not None or sorted(self.lines[-len(lines) :]) == sorted(lines))
        assert self.error is None, self.error

    def reaches(self, tick: int) -> None:
        """Wait until the changes of a tick have come."""
        eventually(
            lambda: (
                self.error is not None
                or any(b.tick is not None and b.tick >= tick for b in list(self.batches))
            )
        )
        assert self.error is None, self.error

    def replayed(self) -> Counter[str]:
        """The rows that are there if every change is applied; nothing may be taken away that is not there."""
        rows: Counter[str] = Counter()
        for change in self.changes:
            text = json.dumps(change.row)
            rows[text] += 1 if change.op == "+" else -1
            assert rows[text] >= 0, f"taken away without having been added: {text}"
        return +rows


def held(dsn: str, view: str) -> Counter[str]:
    """The rows of a view, as `replayed` has them."""
    with psycopg.connect(dsn) as conn:
        conn.execute("set timezone = 'UTC'")
        return Counter(
            json.dumps(row[0]) for row in conn.execute(f"select row_to_json(v) from {view} as v".encode())
        )
