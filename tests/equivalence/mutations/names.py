"""Faults: what names mean."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from millstream.compiler.algebra.expression import Names
from millstream.compiler.binder import tables
from millstream.compiler.binder.scope import Scope
from millstream.compiler.incremental import choose
from millstream.compiler.postgres import names as naming
from millstream.compiler.syntax import identifiers
from millstream.compiler.syntax.from_items import Name
from tests.equivalence.mutations.fault import Fault, Original, all_of, having_property, wrapped


def one_unnamed(original: Original) -> Original:
    """Let a subquery without an alias take the place of another one in its FROM."""

    def changed(self: Scope, name: Name, *a: Any) -> None:
        for other in [each for each in self.tables if not each.text and not name.text]:
            del self.tables[other]
        original(self, name, *a)

    return changed


def complete_lists(original: Original) -> Original:
    """Read a list of names for all columns or for none."""
    return lambda columns, labels, *a: original(columns, labels if len(labels) == len(columns) else (), *a)


FAULTS = (
    Fault(
        "a column's schema says nothing",
        wrapped(Name, "means", lambda _: lambda self, column: bool(self.text) and self.text == column.table),
        ("outer_value",),
        renamed=True,
        ticks=1,
        tables=2,
    ),
    Fault(
        "letters stay as they are written",
        wrapped(identifiers, "folded", lambda _: lambda text: text),
        ("select",),
        renamed=True,
        ticks=1,
    ),
    Fault(
        "long names are cut as PostgreSQL cuts them",
        wrapped(naming, "short", lambda _: lambda name: name.encode()[:63].decode(errors="ignore")),
        ("select",),
        renamed=True,
        ticks=1,
    ),
    Fault(
        "made-up names are cut by letters",
        wrapped(Names, "fresh", lambda _: lambda self, label: f"{label[:48]}_{next(self._numbers)}"),
        ("join", "self_join"),
        renamed=True,
        ticks=1,
    ),
    Fault(
        "a subquery without an alias takes the place of another",
        wrapped(Scope, "add", one_unnamed),
        ("unnamed", "select"),
        ticks=1,
    ),
    Fault(
        "a list of names must be complete",
        wrapped(tables, "relabelled", complete_lists),
        ("select",),
        depth=1,
    ),
    Fault(
        "a column is hidden by its first letters",
        having_property("visible", lambda _, names: tuple(n for n in names if not n.startswith("_k"))),
        ("select",),
        renamed=True,
        ticks=1,
    ),
    Fault(
        "a hidden key has a name that anybody may write",
        all_of(
            lambda: patch.object(choose, "OWN", ""),
            wrapped(choose, "hidden_keys", lambda _: lambda stored: tuple(n for n in stored if n[:1] == "k")),
        ),
        ("global_aggregate", "aggregate"),
        renamed=True,
        ticks=1,
    ),
)
