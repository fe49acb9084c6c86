"""A connection that records the statements of a `dbt run --target risingwave` and answers its questions.

It runs no SQL. It keeps what RisingWave's catalogue would hold after the statements (names, kinds, comments, and which
object reads which, by identity and not by name, so that a swap leaves readers on the old object), because the next
statements depend on it. A statement that it does not know fails the run, and so does one that RisingWave would refuse:
a name that is taken (an index's too), a drop of what is still read, a swap of two kinds, a parameter in LIMIT. As there, a
comment on a materialized view is accepted and never shown, and a connection begins a transaction with its first statement,
inside of which its mode cannot be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import psycopg2
import sqlglot
from sqlglot import exp

from millstream.compiler.dialect import DIALECT
from millstream.compiler.syntax.declarations.text import without_comments

NAME = r'(?:"[^"]+"|[\w]+)(?:\.(?:"[^"]+"|[\w]+))*'
KIND = r"materialized view|view|table|source|sink|subscription"
CREATE = re.compile(rf"create ({KIND}|index|function)\s+(if not exists )?({NAME})", re.I)
REFERENCE = re.compile(r'"dev"\."public"\."([^"]+)"')
VARCHAR = 1043


@dataclass
class Relation:
    """One object of the catalogue."""

    id: int
    name: str
    kind: str
    statement: str
    reads: tuple[int, ...]
    comment: str | None = None
    users: tuple[str, ...] = ("root",)


@dataclass
class RisingWave:
    """What a server would hold. `full` are the relations that a guard finds rows in; all, unless `empty` names one."""

    relations: dict[str, Relation] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    registry: dict[str, tuple[str, str]] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fail_on: str | None = None
    _ids: int = 100

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        """Let dbt's connections be this; yields the statements that change something, in their order."""
        from dbt.adapters.contracts.connection import ConnectionState
        from dbt.adapters.risingwave.connections import RisingWaveConnectionManager

        def open_recorder(_: type[RisingWaveConnectionManager], connection: Any) -> Any:
            connection.handle, connection.state = Handle(self), ConnectionState.OPEN
            connection.handle.cursor().execute("SET RW_IMPLICIT_FLUSH TO true")
            return connection

        self.sent, self.asked = [], []
        with mock.patch.object(RisingWaveConnectionManager, "open", classmethod(open_recorder)):
            yield self.sent

    def names(self, kind: str) -> set[str]:
        return {found.name for found in self.relations.values() if found.kind == kind}

    # -- statements ----------------------------------------------------------------------------------------------

    def execute(self, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of the answer."""
        plain = re.sub(r"\n\s*\n", "\n", without_comments(text)).strip()
        lowered = plain.lower()
        if re.search(r"\blimit\s+(\$|%)", lowered):
            raise psycopg2.ProgrammingError("non-const expression after LIMIT")
        if lowered.startswith(("select", "with")):
            self.asked.append(plain)
            return self.answer(plain)
        if lowered.startswith("set "):
            return [], []
        self.sent.append(plain)
        if self.fail_on is not None and self.fail_on in plain:
            raise psycopg2.DatabaseError(f"refused for the test: {self.fail_on}")
        for pattern, change in (
            (CREATE, self.create),
            (re.compile(rf"alter ({KIND})\s+({NAME}) swap with ({NAME})$", re.I), self.swap),
            (re.compile(rf"alter ({KIND})\s+({NAME}) rename to ({NAME})$", re.I), self.rename),
            (re.compile(rf"alter (table)\s+({NAME}) add column (.+)$", re.I | re.S), self.add_column),
            (re.compile(rf"drop ({KIND})\s+({NAME})( cascade)?$", re.I), self.drop),
            (re.compile(rf"comment on (table) ({NAME}) is '(.*)'$", re.I | re.S), self.comment),
            (re.compile(rf"grant select on ({KIND}) ({NAME}) to \"(\w+)\"$", re.I), self.grant),
            (
                re.compile(r"insert into .*?millstream_registry.*? values (\(.*\))$", re.I | re.S),
                self.register,
            ),
            (re.compile(r"delete from .*millstream_registry.* where name = '(.*)'$", re.I), self.forget),
        ):
            found = pattern.match(plain)
            if found is not None:
                change(found, plain)
                return [], []
        if lowered.startswith("create schema if not exists"):
            return [], []
        raise psycopg2.ProgrammingError(f"the recorder does not know this statement:\n{plain}")

    def named(self, name: str, kind: str | None = None) -> Relation:
        found = self.relations.get(last(name))
        if found is None or kind not in (None, found.kind):
            raise psycopg2.ProgrammingError(f"{kind or 'relation'} not found: {name}")
        return found

    def create(self, found: re.Match[str], text: str) -> None:
        kind, if_not_exists, name = found[1].lower(), found[2], last(found[3])
        if kind == "function":
            if name in self.functions:
                raise psycopg2.ProgrammingError(f"function exists: {name}")
            self.functions[name] = text
            return
        if name in self.relations:
            if if_not_exists:
                return
            raise psycopg2.ProgrammingError(f"relation exists: {name}")
        upstream = [each for each in REFERENCE.findall(text) if each != name and each not in self.functions]
        if kind == "sink" and (into := re.search(rf"\binto ({NAME})", text)):
            upstream = [each for each in upstream if each != last(into[1])]
        reads = tuple(self.named(each).id for each in dict.fromkeys(upstream))
        self._ids += 1
        self.relations[name] = Relation(self._ids, name, kind, text, reads)

    def swap(self, found: re.Match[str], _: str) -> None:
        one, other = (self.named(found[n], found[1].lower()) for n in (2, 3))
        one.name, other.name = other.name, one.name
        self.relations |= {one.name: one, other.name: other}

    def rename(self, found: re.Match[str], _: str) -> None:
        relation = self.named(found[2], found[1].lower())
        if last(found[3]) in self.relations:
            raise psycopg2.ProgrammingError(f"relation exists: {found[3]}")
        del self.relations[relation.name]
        relation.name = last(found[3])
        self.relations[relation.name] = relation

    def add_column(self, found: re.Match[str], _: str) -> None:
        self.named(found[2], "table")

    def drop(self, found: re.Match[str], _: str) -> None:
        relation = self.named(found[2], found[1].lower())
        readers = [r for r in self.relations.values() if relation.id in r.reads]
        if any(reader.kind != "index" for reader in readers) and not found[3]:
            raise psycopg2.ProgrammingError(f"{relation.name} is read by {[r.name for r in readers]}")
        del self.relations[relation.name]
        for reader in readers:
            if reader.name in self.relations:
                keyword = f"drop {reader.kind} {reader.name} cascade"
                if reader.kind == "index":
                    del self.relations[reader.name]
                else:
                    self.drop(re.match(rf"drop ({KIND})\s+({NAME})( cascade)?$", keyword) or found, "")

    def comment(self, found: re.Match[str], _: str) -> None:
        relation = self.named(found[2])
        if relation.kind not in ("table", "materialized view"):
            raise psycopg2.ProgrammingError(f"table not found: {found[2]}")
        relation.comment = found[3].replace("''", "'")

    def grant(self, found: re.Match[str], _: str) -> None:
        relation = self.named(found[2], found[1].lower())
        relation.users = (*relation.users, found[3])

    def register(self, found: re.Match[str], _: str) -> None:
        for row in sqlglot.parse_one(f"values {found[1]}", dialect=DIALECT).find_all(exp.Tuple):
            name, stamp, statement = (str(value.this) for value in row.expressions)
            self.registry[name] = (stamp, statement)

    def forget(self, found: re.Match[str], _: str) -> None:
        self.registry.pop(found[1], None)

    # -- questions -----------------------------------------------------------------------------------------------

    def answer(self, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        if "as __dbt_sbq" in text:
            return described(text), []
        if text == "select name from rw_catalog.rw_users where is_super":
            return ["name"], [("root",)]
        if text.startswith("select unnest(r.acl)"):
            name = re.findall(r"r\.name = '(\w+)'", text)[0]
            return ["entry"], [(f"{user}=r/root",) for user in self.named(name).users]
        if text.startswith("select count(*) from "):
            return ["count"], [(0 if last(text.split()[3]) in self.empty else 7,)]
        if "rw_catalog.rw_depend" in text:
            rows = [(r.id, upstream) for r in self.relations.values() for upstream in r.reads]
            return ["objid", "refobjid"], rows
        if "rw_catalog.rw_functions as f" in text:
            return ["name", "name"], [("public", name) for name in self.functions]
        if "pg_catalog.pg_description" in text:
            tables = [r for r in self.relations.values() if r.kind == "table" and r.comment]
            return ["objoid", "description"], [(r.id, r.comment) for r in tables]
        if "rw_catalog.rw_relations as r" in text:
            return ["id", "schema_name", "name", "relation_type"], [
                (r.id, "public", r.name, r.kind) for r in self.relations.values()
            ]
        if "millstream_registry" in text:
            return ["name", "stamp", "statement"], [(n, *entry) for n, entry in self.registry.items()]
        if re.fullmatch(rf"select 1 from {NAME} limit 1", text):
            return ["one"], [] if last(text.split()[3]) in self.empty else [(1,)]
        if "rw_schema_relations" in text:
            return ["database", "name", "schema", "type"], [
                ("dev", r.name, "public", r.kind.replace(" ", "_")) for r in self.relations.values()
            ]
        if "pg_namespace" in text:
            return ["nspname"], [("public",)]
        if "information_schema.columns" in text.lower():
            name = re.findall(r"table_name = '(\w+)'", text)[0]
            inside = self.named(name).statement.split("(", 1)[1]
            names = re.findall(r"^\s{4}(\w+) ", inside, re.M)
            if text.lower().startswith("select column_name from"):
                return ["column_name"], [(n,) for n in names]
            return ["column_name", "data_type", "a", "b", "c"], [
                (n, "varchar", None, None, None) for n in names
            ]
        raise psycopg2.ProgrammingError(f"the recorder does not know this question:\n{text}")


def last(name: str) -> str:
    """The last part of a name, without quotes."""
    return name.rsplit(".", 1)[-1].strip('"')


def described(text: str) -> list[str]:
    """The column names of dbt's question what a query returns."""
    inside = text[text.index("(") + 1 : text.rindex(")")]
    tree = sqlglot.parse_one(inside, dialect=DIALECT)
    assert isinstance(tree, exp.Query)
    return tree.named_selects


class Handle:
    """As much of a psycopg2 connection as dbt uses."""

    def __init__(self, server: RisingWave) -> None:
        self.server = server
        self.closed = 0
        self.in_transaction = False
        self._autocommit = False

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, on: bool) -> None:
        if self.in_transaction:
            raise psycopg2.ProgrammingError("set_session cannot be used inside a transaction")
        self._autocommit = on

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        self.in_transaction = False

    def get_backend_pid(self) -> int:
        return 1

    def rollback(self) -> None:
        self.in_transaction = False

    def close(self) -> None: ...


class Cursor:
    """As much of a psycopg2 cursor as dbt uses."""

    statusmessage = "OK"

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rows: list[tuple[Any, ...]] = []
        self.rowcount = -1

    def execute(self, text: str, bindings: object = None) -> None:
        assert bindings is None
        self.handle.in_transaction = not self.handle.autocommit
        columns, self.rows = self.handle.server.execute(text)
        self.description = [(name, VARCHAR, None, None, None, None, None) for name in columns] or None
        self.rowcount = len(self.rows)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    def close(self) -> None: ...
