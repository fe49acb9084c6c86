"""What the questions of one run share: a filled shop with its worker, opened when the first of them asks for it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import endless
from bench.scale import Scale
from bench.shop import Shop, opened
from loaders.schema.rows import Event
from millstream.server.options import Options, write_options

READERS = 200


class Stage:
    """A context manager: whatever was opened on it is stopped and removed at its end, however it ends."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._stack = ExitStack()
        self._shop: Shop | None = None
        self._next = scale.lines

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def shop(self) -> Shop:
        """The shop with its history, knowledge and views, on the wall clock: the last line happened just now."""
        if self._shop is None:
            print(f"  filling a shop with {self.scale.lines:,} lines …", flush=True)
            shop = self._stack.enter_context(roomy())
            shop.fill(self.scale.lines, datetime.now(UTC))
            self._shop = shop
        return self._shop

    @contextmanager
    def working(self) -> Iterator[tuple[Shop, subprocess.Popen[bytes]]]:
        """The shop and its worker, a process of its own."""
        shop = self.shop()
        with shop.worker_process() as worker:
            yield shop, worker

    def events(self, count: int) -> list[Event]:
        """The lines of the log that no question was given yet, basket by basket."""
        found = list(endless.lines(self._next, count))
        self._next += count
        return found


@contextmanager
def roomy() -> Iterator[Shop]:
    """A shop on the wall clock whose server takes as many readers as the largest crowd."""
    with tempfile.TemporaryDirectory(prefix="millstream-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        write_options(home, Options(readers=READERS))
        with opened(home, clock="wall") as shop:
            yield shop
