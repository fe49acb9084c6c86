"""Read and write the catalogue's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import SqlFunction, ViewText
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA, spoken
from millstream.compiler.syntax.identifiers import named

IN_FROM = ("table", "materialized_view", "view")  # the kinds of things that FROM can name
FEED_CHANNEL = "millstream_feed"  # notified when a change feed has something new

# what a name meant when a view was compiled: {"state": name}, {"view": sql, "path": path} or {"function": definition};
# with "columns", how many of the columns it had, where some were added to a table since
Pins = dict[str, dict[str, str | None]]


@dataclass(frozen=True)
class State:
    """A stored relation: a source table, or one version of a materialized view."""

    name: str
    schema: str
    relation: str
    kind: str
    definition: str
    path: str | None
    reads: Pins
    tables: tuple[str, ...]
    detail: Mapping[str, Any]

    @property
    def indexes(self) -> list[list[str]]:
        """The columns of each index that a view was deployed with, as its model names them."""
        return [list(columns) for columns in self.detail.get("indexes", [])]

    def as_relation(self, known: str | None = None) -> Relation:
        """What the compiler scans; the first columns, where a version was compiled before more were added."""
        listed = self.detail["columns"][: int(known) if known is not None else None]
        columns = tuple((str(n), str(t), bool(nullable)) for n, t, nullable in listed)
        key, guard = tuple(self.detail["key"]), self.detail.get("guard")
        marks = (bool(self.detail.get(mark)) for mark in ("single", "append_only"))
        return Relation(self.name, columns, key, guard, *marks)


@dataclass(frozen=True)
class Deployed:
    """What a name currently stands for."""

    schema: str
    name: str
    kind: str
    state: str | None
    definition: str
    path: str | None


@dataclass
class Catalogue:
    """The catalogue as read in one transaction; also what the binder resolves names with."""

    relations: dict[tuple[str, str], Deployed]
    states: dict[str, State]  # in the order in which they were made
    pins: Pins | None = None  # where set, names mean what they meant then
    resolved: Pins = field(default_factory=dict)

    def named(self, schema: str | None, name: str) -> Deployed | None:
        """Find what is deployed under a name."""
        return self.relations.get((schema or DEFAULT_SCHEMA, name))

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """Resolve a name in FROM, and remember what it meant."""
        key = f"{schema or DEFAULT_SCHEMA}.{name}"
        if self.pins is not None:
            pin = self.pins[key]
        else:
            found = self.named(schema, name)
            if found is None or found.kind not in IN_FROM:
                return None
            pin = (
                {"view": found.definition, "path": found.path}
                if found.state is None
                else {"state": found.state}
            )
        self.resolved[key] = pin
        if pin.get("view") is not None:
            return ViewText(name, str(pin["view"]), pin.get("path"))
        return self.states[str(pin["state"])].as_relation(pin.get("columns"))

    def known(self) -> list[tuple[str, str]]:
        """Return (schema, name) of everything that FROM could name."""
        return [key for key, found in self.relations.items() if found.kind in IN_FROM]

    def indexes(self, schema: str | None, name: str) -> list[list[str]]:
        """The columns of each index that a materialized view was deployed with, as the database spells them."""
        found = self.named(schema, name)
        state = self.states.get(found.state or "") if found is not None else None
        return (
            [[named(column) for column in columns] for columns in state.indexes] if state is not None else []
        )

    def needed(self) -> set[str]:
        """Return the states that something deployed reads, directly or through what it was built on."""
        found: set[str] = set()
        waiting = {deployed.state for deployed in self.relations.values()}
        waiting |= {json.loads(d.definition)["target"] for d in self.relations.values() if d.kind == "sink"}
        while waiting:
            name = waiting.pop()
            if name in self.states and name not in found:
                found.add(str(name))
                waiting |= {pin.get("state") for pin in self.states[str(name)].reads.values()}
        return found

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """Find a SQL function, and remember what it was."""
        key = f"{schema or DEFAULT_SCHEMA}.{name}"
        if self.pins is not None:
            text = self.pins.get(key, {}).get("function")
        else:
            found = self.named(schema, name)
            text = found.definition if found is not None and found.kind == "function" else None
        definition = json.loads(text) if text is not None else {}
        if definition.get("language") != "sql":
            return None
        self.resolved[key] = {"function": text}
        parameters = tuple((str(label), str(type_)) for label, type_ in definition["parameters"])
        return SqlFunction(schema, name, parameters, definition["returns"], definition["body"])

    def python(self) -> dict[str, str]:
        """The definitions of all Python functions, by the names under which calls of them are compiled."""
        return {
            spoken(schema, name): found.definition
            for (schema, name), found in self.relations.items()
            if found.kind == "function" and self.is_python(schema, name)
        }

    def is_python(self, schema: str | None, name: str) -> bool:
        """Tell whether a name is a registered Python function."""
        found = self.named(schema, name)
        return (
            found is not None
            and found.kind == "function"
            and json.loads(found.definition)["language"] == "python"
        )


def sql_definition(function: SqlFunction) -> str:
    """What is kept of a SQL function."""
    parts = {"parameters": function.parameters, "returns": function.returns, "body": function.body}
    return json.dumps({"language": "sql", **parts})


def load(conn: psycopg.Connection) -> Catalogue:
    """Read the whole catalogue."""
    relations = {
        (row[0], row[1]): Deployed(*row)
        for row in conn.execute(
            "select schema_name, name, kind, state, definition, path from millstream.relation"
        )
    }
    states = {
        row[0]: State(row[0], row[1], row[2], row[3], row[4], row[5], row[6], tuple(row[7]), row[8])
        for row in conn.execute(
            "select name, schema_name, relation_name, kind, definition, path, reads, tables, detail"
            " from millstream.state order by ordinal"
        )
    }
    return Catalogue(relations, states)


def put_relation(conn: psycopg.Connection, new: Deployed) -> None:
    """Let a name stand for something new."""
    conn.execute(
        "insert into millstream.relation (schema_name, name, kind, state, definition, path)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (schema_name, name) do update set kind = excluded.kind,"
        " state = excluded.state, definition = excluded.definition, path = excluded.path,"
        " deployed_at = clock_timestamp()",
        [new.schema, new.name, new.kind, new.state, new.definition, new.path],
    )


def put_state(conn: psycopg.Connection, new: State) -> None:
    """Remember a stored relation."""
    conn.execute(
        "insert into millstream.state (name, schema_name, relation_name, kind, definition, path, reads, tables, detail)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            new.name,
            new.schema,
            new.relation,
            new.kind,
            new.definition,
            new.path,
            json.dumps(new.reads),
            list(new.tables),
            json.dumps(new.detail),
        ],
    )


def raise_epoch(conn: psycopg.Connection) -> None:
    """Tell the worker that what it runs has changed."""
    conn.execute("update millstream.clock set epoch = epoch + 1")
    conn.execute("select pg_notify('millstream_queue', 'deploy')")


def setting(conn: psycopg.Connection, name: str) -> str:
    """Read one setting."""
    row = conn.execute("select value from millstream.setting where name = %s", [name]).fetchone()
    if row is None:
        raise KeyError(name)
    return str(row[0])


def list_relations(conn: psycopg.Connection, schema: str = "public") -> list[tuple[str, str]]:
    """Return (name, kind) of everything deployed in a schema."""
    rows = conn.execute(
        "select name, kind from millstream.relation where schema_name = %s order by name", [schema]
    ).fetchall()
    return [(row[0], row[1]) for row in rows]
