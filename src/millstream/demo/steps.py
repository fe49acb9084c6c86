"""Steps that are timed, told in one line each, and checked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from millstream.errors import MillstreamError


class DemoFailed(MillstreamError):
    """A step did not do what it should have done; the text says which, and what was found instead."""


class DemoStep:
    """One step under way: `note` is what its line will say."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.note = ""

    def expect(self, holds: bool, otherwise: str) -> None:
        """Check that something holds. Raises DemoFailed with `otherwise`, which says what was found."""
        if not holds:
            raise DemoFailed(
                f"{self.title}: {otherwise}\n  hint: see `millstream status` and the logs in the home directory; "
                "`make demo` goes on from here, and `make clean` starts over"
            )


class Steps:
    """Prints steps as they begin and end; `seconds` has how long each took, by title."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[DemoStep]:
        """Time a step; print its line when it ends, whether it holds or not."""
        step = DemoStep(title)
        began = time.monotonic()
        try:
            yield step
        except BaseException:
            self.line("[red]✗[/]", title, "", time.monotonic() - began)
            raise
        self.seconds[title] = time.monotonic() - began
        self.line("[green]✓[/]", title, step.note, self.seconds[title])

    def line(self, mark: str, title: str, note: str, seconds: float) -> None:
        """Print one step's line."""
        self.console.print(f"{mark} {title:<26} {seconds:>6.1f} s  [dim]{note}[/]", soft_wrap=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self.began
