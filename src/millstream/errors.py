"""What goes wrong, told as: what, where, why and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """One refusal: a stable code, the construct, its place in the model file, the reason and a rewrite."""

    code: str
    construct: str
    why: str
    hint: str
    path: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        head = " ".join(part for part in (f"error[{self.code}]", place, self.construct) if part)
        return f"{head}\n  why:  {self.why}\n  hint: {self.hint}"


class MillstreamError(Exception):
    """Base of every error that Millstream raises on purpose; its text names the remedy."""


class StillRead(MillstreamError):
    """Others read what would be dropped; whoever asked for the drop knows which remedy there is, and says it."""

    def __init__(self, name: str, readers: Iterable[str]) -> None:
        self.reason = f"{name} is read by {', '.join(sorted(readers))}"
        super().__init__(f"{self.reason}\n  hint: drop them first, or use cascade")


class Refused(MillstreamError):
    """The compiler does not accept a model; `diagnostic` says which construct, where and what to write instead."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic
