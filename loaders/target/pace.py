"""Back-pressure: a loader sends the next rows while the views take in the last ones, and never runs further ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg

from loaders.target.connection import WriterConnection


class Pace:
    """Waits for the views, on a connection of its own, so that at most twice `every` rows are sent and not seen."""

    def __init__(self, dsn: str, every: int) -> None:
        self._dsn = dsn
        self._every = every
        self._unseen = 0
        self._target: WriterConnection | None = None
        self._waiter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flush")
        self._waiting: Future[None] | None = None

    def sent(self, rows: int) -> None:
        """Count committed rows; after `every` of them wait for those before, and begin to wait for these."""
        self._unseen += rows
        if self._unseen >= self._every:
            self._begin()

    def catch_up(self) -> None:
        """Return when the views show every row that was counted."""
        if self._unseen:
            self._begin()
        self._end()

    def _begin(self) -> None:
        self._end()
        assert self._target is not None
        self._unseen = 0
        self._waiting = self._waiter.submit(self._target.flush)

    def _end(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.result()

    def __enter__(self) -> Self:
        self._target = WriterConnection(
            self._dsn
        )  # before anything is sent: nothing is begun that could not end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._target is not None:
            if self._waiting is not None:
                with suppress(
                    psycopg.Error
                ):  # an error is under way; a server that is gone needs no cancelling
                    self._target.connection.cancel_safe()
            self._waiter.shutdown()
            self._target.connection.close()
