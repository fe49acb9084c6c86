"""What names mean to a compilation: what they stand for now, or what they meant when a version was compiled."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import SqlFunction, ViewText
from millstream.compiler.compile import Meaning
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import IN_FROM, Pin, Pins, PythonFunction, StoredPin
from millstream.engine.catalog.store import load


@dataclass(frozen=True)
class Resolver:
    """Answers the binder. With `pins`, names mean what they meant then."""

    catalogue: Catalogue
    pins: Pins | None = None

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """What a name in FROM stands for; None if nothing of that name is deployed."""
        pin = (
            self.pins[f"{schema or DEFAULT_SCHEMA}.{name}"]
            if self.pins is not None
            else self.now(schema, name)
        )
        if isinstance(pin, StoredPin):
            return self.catalogue.states[pin.state].as_relation(pin.columns)
        return pin if isinstance(pin, ViewText) else None

    def now(self, schema: str | None, name: str) -> Pin | None:
        """What a name in FROM stands for now."""
        found = self.catalogue.named(schema, name)
        if found is None or found.kind not in IN_FROM:
            return None
        return ViewText(name, found.text, found.path) if found.state is None else StoredPin(found.state)

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """The SQL function of a name; None if there is none."""
        if self.pins is not None:
            pin = self.pins.get(f"{schema or DEFAULT_SCHEMA}.{name}")
            return pin if isinstance(pin, SqlFunction) else None
        found = self.catalogue.named(schema, name)
        return found.definition if found is not None and isinstance(found.definition, SqlFunction) else None

    def is_python(self, schema: str | None, name: str) -> bool:
        """Tell whether a function is a registered Python function."""
        found = self.catalogue.named(schema, name)
        return found is not None and isinstance(found.definition, PythonFunction)

    def known(self) -> list[tuple[str, str]]:
        """Return (schema, name) of everything that FROM could name."""
        return [key for key, found in self.catalogue.relations.items() if found.kind in IN_FROM]


def load_names(conn: psycopg.Connection) -> Resolver:
    """What names mean now."""
    return Resolver(load(conn))


def pins_of(reads: dict[str, Meaning]) -> dict[str, Pin]:
    """What the names in a compilation meant, to be kept: of a relation, which one is stored for it."""
    return {
        key: StoredPin(meaning.name) if isinstance(meaning, Relation) else meaning
        for key, meaning in reads.items()
    }
