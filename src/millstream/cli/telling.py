"""Lines of progress on stderr: one that changes on a terminal, else one now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

SECONDS = 10.0  # between two lines where no terminal shows them


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Give a function that shows a line of progress; the line on a terminal goes when the block ends."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("") as shown:
            yield lambda line: shown.update(escape(line))
        return
    last = time.monotonic()

    def tell(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS:
            last = time.monotonic()
            console.print(line, markup=False)

    yield tell
