"""What the catalogue remembers, as records: stored relations, what names stand for, and what names meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import SqlFunction, ViewText

IN_FROM = ("table", "materialized_view", "view")  # the kinds of things that FROM can name
Column = tuple[str, str, bool]  # name, type, whether it may be NULL


@dataclass(frozen=True)
class StoredPin:
    """A name in FROM meant a stored relation: its first `columns` where a table has gained more since."""

    state: str
    columns: int | None = None


Pin = StoredPin | ViewText | SqlFunction  # what a name meant when a view was compiled
Pins = Mapping[str, Pin]  # by `schema.name`


@dataclass(frozen=True)
class StoredRelation:
    """What source tables and versions of materialized views have in common.

    `name` is the engine's, `schema` and `relation` are what it was deployed as; `definition` is the SQL of that, in the
    file `path`. `key` tells rows apart, and `tables` are all that is stored for it.
    """

    name: str
    schema: str
    relation: str
    definition: str
    path: str | None
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The columns that readers see."""
        return [name for name, _, _ in self.columns]

    @property
    def below(self) -> frozenset[str]:
        """The stored relations that this one reads."""
        return frozenset()

    def as_relation(self, known: int | None = None) -> Relation:
        """What the compiler scans; the first columns, where a version was compiled before more were added."""
        raise NotImplementedError


@dataclass(frozen=True)
class StoredTable(StoredRelation):
    """A source table as of the last tick. `triggers` identifies the text of its clients' triggers."""

    append_only: bool = False
    triggers: str | None = None

    def as_relation(self, known: int | None = None) -> Relation:
        return Relation(self.name, self.columns[:known], self.key, append_only=self.append_only)


@dataclass(frozen=True)
class StoredView(StoredRelation):
    """One version of a materialized view.

    `guard` is the column that hides rows, `single` says that there is exactly one row. `nodes` identifies what is
    stored, `fingerprint` what it was compiled from, `mark` also by what; `summary` is a line for people.
    """

    reads: Pins
    guard: str | None = None
    single: bool = False
    indexes: tuple[tuple[str, ...], ...] = ()  # that it was deployed with, as its model names the columns
    nodes: str | None = None
    fingerprint: str | None = None
    mark: str | None = None
    summary: str = ""

    @property
    def below(self) -> frozenset[str]:
        return frozenset(pin.state for pin in self.reads.values() if isinstance(pin, StoredPin))

    def as_relation(self, known: int | None = None) -> Relation:
        return Relation(self.name, self.columns[:known], self.key, self.guard, self.single)


State = StoredTable | StoredView


@dataclass(frozen=True)
class Sink:
    """CREATE SINK … INTO: what it was declared as, the stored table that its rows enter, and the query that it reads."""

    ddl: str
    target: str
    query: str


@dataclass(frozen=True)
class PythonFunction:
    """A Python function: its signature in RisingWave's types, the file and the name in it, and a hash of the file."""

    arguments: tuple[tuple[str, str], ...]
    returns: str
    module: str
    entry: str
    code: str

    @property
    def signature(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """The arguments and the result, which no new version may change."""
        return self.arguments, self.returns


Function = PythonFunction | SqlFunction


@dataclass(frozen=True)
class Entry:
    """What a name stands for: a table, materialized_view, view, sink or function.

    `state` is the stored relation of a table or materialized view, of a sink the one that it reads. `definition` is the
    SQL of what FROM can name.
    """

    schema: str
    name: str
    kind: str
    state: str | None
    definition: str | Sink | Function
    path: str | None

    @property
    def text(self) -> str:
        """The SQL of what FROM can name."""
        assert isinstance(self.definition, str), f"{self.name} is a {self.kind}"
        return self.definition
