"""A seeded fault, and ways of making one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from millstream.compiler.incremental.node import Node
from tests.equivalence.values import LOOSE, SCALAR_TYPES

Patch = Callable[[], AbstractContextManager[object]]
Original = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A seeded fault, and the constructs in whose histories it shows.

    `act` and `bag act` are histories of on-act views, `source` those of a source alone.

    `depth` is how deep their subqueries nest, `views` how many there are at most; `finite=False` asks for NaN and
    infinities, `types` for columns of these, `renamed` for names that are not the oracles' (naming.py). `tables` is how
    many tables there are, and `ticks` how many ticks: one, where the fault is in how SQL is read or written. With `building`
    views are built beside what runs.
    """

    name: str
    patch: Patch
    kinds: tuple[str, ...]
    depth: int = 0
    finite: bool | None = None
    views: int = 1
    types: Sequence[str] = SCALAR_TYPES
    renamed: bool = False
    tables: int = 1
    ticks: int = 6
    building: bool = False


def of_equals(name: str, patch: Patch, kind: str, types: Sequence[str] = tuple(sorted(LOOSE))) -> Fault:
    """A fault that shows where equal values are not the same."""
    return Fault(name, patch, (kind,), finite=True, types=types)


def wrapped(owner: object, name: str, wrap: Callable[[Original], Original]) -> Patch:
    """Replace a function or method by what `wrap` makes of it."""
    return lambda: patch.object(owner, name, wrap(getattr(owner, name)))


def answering(owner: object, name: str, value: object) -> Patch:
    """Make a decision always come out the same."""
    return wrapped(owner, name, lambda _: lambda *_, **__: value)


def edited(owner: object, name: str, pattern: str, by: str) -> Patch:
    """Replace `pattern` in the SQL text that a function returns."""
    return wrapped(owner, name, lambda original: lambda *a, **o: re.sub(pattern, by, original(*a, **o)))


def having_property(name: str, value: Callable[[Node, Any], object]) -> Patch:
    """Replace a property of nodes by a function of the node and the true value."""
    true = getattr(Node, name)
    return lambda: patch.object(Node, name, property(lambda self: value(self, true.fget(self))))


def all_of(*patches: Patch) -> Patch:
    """Open several patches at once."""

    def opened() -> ExitStack:
        stack = ExitStack()
        for each in patches:
            stack.enter_context(each())
        return stack

    return opened
