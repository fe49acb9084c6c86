"""Faults: how expressions are read and written."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

from sqlglot import exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.compiler.binder import where
from millstream.compiler.dialect import Millstream, spelling
from millstream.compiler.dialect.reading import SqlReader
from millstream.compiler.dialect.writing import SqlWriter
from tests.equivalence.mutations.fault import Fault, Original, Patch, answering, wrapped


def written(name: str, pattern: str, by: str) -> Patch:
    """Replace `pattern` in what is written of some nodes: by a class of its own, for sqlglot remembers what each class writes."""
    true = getattr(SqlWriter, name)

    def opened() -> AbstractContextManager[object]:
        changed = {name: lambda *a, **o: re.sub(pattern, by, true(*a, **o))}
        return patch.object(Millstream, "generator_class", type("Faulty", (Millstream.Generator,), changed))

    return opened


def translated(*names: str) -> Patch:
    """Read calls of some functions, or of all, as what they mean in every dialect."""
    foreign = RisingWaveParser.FUNCTIONS
    read = {**SqlReader.FUNCTIONS, **{name: foreign[name] for name in names or foreign}}
    return lambda: patch.object(SqlReader, "FUNCTIONS", read)


def reading(name: str, how: Callable[[list[exp.Expr]], exp.Expr]) -> Patch:
    """Read calls of one function as something else."""
    return lambda: patch.object(SqlReader, "FUNCTIONS", {**SqlReader.FUNCTIONS, name: how})


def as_extract(arguments: list[exp.Expr]) -> exp.Expr:
    """The syntax that computes nearly what date_part does."""
    return exp.Extract(this=arguments[0], expression=arguments[1])


def untyped_lists(original: Original) -> Original:
    """Take an empty list for one whose elements have their casts."""

    def changed(node: exp.Expr) -> exp.Expr:
        empty = isinstance(node, exp.Cast) and isinstance(node.this, exp.Array) and not node.this.expressions
        return exp.Array() if empty else original(node)

    return changed


FAULTS = (
    Fault("a unit is the name of its column", translated("DATE_TRUNC"), ("calls",), ticks=1),
    Fault("date_part is extract, of another type", reading("DATE_PART", as_extract), ("calls",)),
    Fault(
        "a cast is left out", written("cast_sql", r"^CAST\((.*) AS [^()]*\)$", r"(\1)"), ("calls",), ticks=1
    ),
    Fault(
        "an empty list has no type",
        wrapped(spelling, "element_by_element", untyped_lists),
        ("calls",),
        ticks=1,
    ),
    Fault("calls are translated between dialects", translated(), ("calls",), ticks=1),
    Fault("brackets are left out", written("paren_sql", r"^\((.*)\)$", r"\1"), ("calls",), ticks=1),
    Fault("words between arguments are left out", written("worded_sql", " FOR .*", ")"), ("calls",), ticks=1),
    Fault(
        "RisingWave's functions keep their names", answering(spelling, "way_of", None), ("calls",), ticks=1
    ),
    Fault(
        "a moment of now() has one end",
        wrapped(where, "as_bounds", lambda original: lambda terms: [next(original([t])) for t in terms]),
        ("clock",),
        ticks=1,
    ),
)
