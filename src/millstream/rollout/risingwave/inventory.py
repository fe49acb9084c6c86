"""What is deployed: read once, and kept up by what this process deploys itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property

from millstream.rollout.risingwave import registry
from millstream.rollout.risingwave.deployed import DeployedObject, settled
from millstream.rollout.risingwave.naming import literal, quoted
from millstream.rollout.risingwave.statements import Statements

QUERIES = ("view", "materialized_view")
ATTACHED = ("sink", "subscription")

RELATIONS = """
select r.id, s.name as schema_name, r.name, r.relation_type
from rw_catalog.rw_relations as r
join rw_catalog.rw_schemas as s on s.id = r.schema_id
where s.name not in ('rw_catalog', 'pg_catalog', 'information_schema')
"""
FUNCTIONS = """
select s.name, f.name
from rw_catalog.rw_functions as f
join rw_catalog.rw_schemas as s on s.id = f.schema_id
"""


class Inventory:
    """The relations of a database with their stamps; `schema` is where the registry is."""

    def __init__(self, statements: Statements, database: str, schema: str) -> None:
        self.statements = statements
        self.database = database
        self.schema = schema
        self.marks: dict[str, registry.Mark] = {}
        self._unrecorded: list[registry.Mark] = []
        self._objects: dict[str, DeployedObject] | None = None
        self._loading = threading.RLock()

    @property
    def objects(self) -> dict[str, DeployedObject]:
        """Every relation, by `schema.name`."""
        with self._loading:
            if self._objects is None:
                self._objects = self._read()
            return self._objects

    @cached_property
    def functions(self) -> set[str]:
        """`schema.name` of every function."""
        return {f"{schema}.{name}" for schema, name in self.statements.ask(FUNCTIONS)}

    @cached_property
    def superusers(self) -> set[str]:
        """Who may do everything anyway."""
        found = self.statements.ask("select name from rw_catalog.rw_users where is_super")
        return {str(name) for (name,) in found}

    @property
    def has_new(self) -> bool:
        """Whether something was made here whose id is not known yet."""
        return any(each.id == 0 for each in self.objects.values())

    def forget_all(self) -> None:
        """Read everything again when it is needed next."""
        self._objects = None
        self.__dict__.pop("functions", None)

    def full_name(self, schema: str, name: str) -> str:
        """A name with its database, as dbt writes it in models."""
        return quoted(schema, name, self.database)

    def columns(self, each: DeployedObject) -> list[str]:
        """The names of a relation's columns, in order."""
        found = self.statements.ask(
            "select column_name from information_schema.columns where table_schema = "
            f"{literal(each.schema)} and table_name = {literal(each.name)} order by ordinal_position"
        )
        return [str(name) for (name,) in found]

    # -- what a deployment changes -----------------------------------------------------------------------------------

    def created(self, schema: str, name: str, kind: str) -> DeployedObject:
        """Take note of a relation that was made."""
        made = DeployedObject(0, schema, name, kind)
        self.objects[made.key] = made
        return made

    def renamed(self, one: str, other: str) -> None:
        """Take note that a key's object has another key now; where both are taken, they were exchanged."""
        here, there = self.objects.pop(one), self.objects.pop(other, None)
        schema, name = other.split(".", 1)
        self.objects[other] = replace(here, schema=schema, name=name)
        if there is not None:
            self.objects[one] = replace(there, schema=here.schema, name=here.name)

    def dropped(self, key: str, *, cascade: bool = False) -> None:
        """Take note that a relation is gone; with `cascade` what read it as well, so that all is read again."""
        self.objects.pop(key, None)
        if cascade:
            self.forget_all()

    def mark(self, *marks: registry.Mark) -> None:
        """Write stamps, all of them in one statement."""
        objects = self.objects
        if self.registry_key not in objects:
            registry.create(self.statements, self.registry)
            self.created(self.schema, registry.NAME, "table")
        registry.write(self.statements, self.registry, marks)
        for mark in marks:
            self.marks[mark.key] = mark
            if mark.key in self.objects:
                found = self.objects[mark.key]
                self.objects[mark.key] = replace(found, stamp=mark.stamp, statement=mark.statement)

    def record(self) -> None:
        """Write the stamps that were found in comments, or whose record an earlier deployment did not come to."""
        with self._loading:
            if self.objects and self._unrecorded:
                self.mark(*self._unrecorded)
                self._unrecorded = []

    def unmark(self, key: str) -> None:
        """Forget the stamp of a name, where there is one."""
        if self.marks.pop(key, None) is not None:
            registry.forget(self.statements, self.registry, key)

    @property
    def registry(self) -> str:
        """The registry's name for a statement."""
        return self.full_name(self.schema, registry.NAME)

    @property
    def registry_key(self) -> str:
        """The registry's key."""
        return f"{self.schema}.{registry.NAME}"

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> dict[str, DeployedObject]:
        found: dict[str, DeployedObject] = {}
        for id_, schema, name, kind in self.statements.ask(RELATIONS):
            each = DeployedObject(int(id_), schema, name, kind.replace(" ", "_"))
            found[each.key] = each
        is_there = self.registry_key in found
        self.marks = registry.read(self.statements, self.registry) if is_there else {}
        lacking = [
            each
            for key, each in found.items()
            if each.kind in registry.COMMENTED and key not in self.marks and key != self.registry_key
        ]
        comments = registry.read_comments(self.statements) if lacking else {}
        for each in lacking:
            if (stamp := comments.get(each.id)) is not None:
                found[each.key] = replace(each, stamp=stamp)
        for key, mark in self.marks.items():
            if key in found:
                found[key] = replace(found[key], stamp=mark.stamp, statement=mark.statement)
        found = settled(found)
        self._unrecorded = [
            registry.Mark(key, each.stamp, each.statement)
            for key, each in found.items()
            if each.stamp is not None and (key not in self.marks or each.stamp != self.marks[key].stamp)
        ]
        return found
