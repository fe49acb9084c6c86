"""The catalogue as read in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA, display_name
from millstream.compiler.syntax.identifiers import named
from millstream.engine.catalog.records import (
    Entry,
    PythonFunction,
    Sink,
    State,
    StoredTable,
    StoredView,
)


@dataclass
class Catalogue:
    """What names stand for, and what is stored, in the order in which that was made."""

    relations: dict[tuple[str, str], Entry]
    states: dict[str, State]

    @property
    def tables(self) -> list[StoredTable]:
        """The source tables."""
        return [state for state in self.states.values() if isinstance(state, StoredTable)]

    @property
    def views(self) -> list[StoredView]:
        """Every version of every materialized view, each after what it reads."""
        return [state for state in self.states.values() if isinstance(state, StoredView)]

    def named(self, schema: str | None, name: str) -> Entry | None:
        """Find what is deployed under a name."""
        return self.relations.get((schema or DEFAULT_SCHEMA, name))

    def table(self, state: str | None) -> StoredTable:
        """The source table that is stored under a name of the engine's."""
        found = self.states[state or ""]
        assert isinstance(found, StoredTable), f"{state} is no table"
        return found

    def current(self, schema: str | None, name: str) -> StoredView | None:
        """The version for which a name stands, if it is that of a materialized view."""
        found = self.named(schema, name)
        state = self.states.get(found.state or "") if found is not None else None
        return (
            state
            if found is not None and found.kind == "materialized_view" and isinstance(state, StoredView)
            else None
        )

    def stands_for(self, state: State) -> bool:
        """Tell whether the name of a stored relation stands for this version of it."""
        found = self.relations.get((state.schema, state.relation))
        return found is not None and found.state == state.name

    def indexes(self, schema: str | None, name: str) -> list[list[str]]:
        """The columns of each index that a materialized view was deployed with, as the database spells them."""
        current = self.current(schema, name)
        return [[named(column) for column in columns] for columns in current.indexes] if current else []

    def definition(self, state: str) -> str | None:
        """The SELECT of a version of a materialized view; None where a table is stored under that name."""
        found = self.states.get(state)
        return found.definition if isinstance(found, StoredView) else None

    def needed(self) -> set[str]:
        """Return the states that something deployed reads, directly or through what it was built on."""
        found: set[str] = set()
        waiting = {entry.state for entry in self.relations.values()}
        waiting |= {sink.target for _, sink in self.sinks()}
        while waiting:
            name = waiting.pop()
            if name in self.states and name not in found:
                found.add(str(name))
                waiting |= self.states[str(name)].below
        return found

    def sinks(self) -> Iterable[tuple[Entry, Sink]]:
        """Every sink that is deployed."""
        for entry in self.relations.values():
            if isinstance(entry.definition, Sink):
                yield entry, entry.definition

    def python(self) -> dict[str, PythonFunction]:
        """All Python functions, by the names under which calls of them are compiled."""
        return {
            display_name(schema, name): entry.definition
            for (schema, name), entry in self.relations.items()
            if isinstance(entry.definition, PythonFunction)
        }
