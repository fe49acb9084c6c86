"""The project's own models, as a `dbt run --target risingwave` sends them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import psycopg

from millstream.engine import deploy
from tests.conformance.runs import ROOT
from tests.equivalence.schema import Column, Table

Kind = Literal["table", "view", "materialized view", "function", "sink", "index", "subscription"]
CREATE = re.compile(
    r'create (table|view|materialized view|function|sink|index|subscription) (?:"dev"\.)?(?:"public"\.)?"(\w+)"'
)
REFERENCE = re.compile(r'"dev"\."public"\."(\w+)"')
ON_INDEX = re.compile(r'on "dev"\."public"\."(\w+)" \((.*?)\)')
KEY = re.compile(r"^ {4}primary key \((.+)\)$", re.M)
COLUMN = re.compile(r"^ {4}(\w+) ([a-z ]+?(?:\[\])?)( primary key)?(?: default now\(\))?,?$", re.M)
AS_OF = "for system_time as of proctime()"
RELATIONS = ("table", "view", "materialized view")


@dataclass(frozen=True)
class Node:
    """One object: the statement that creates it, its query without database and schema, and what it reads."""

    name: str
    kind: Kind
    statement: str
    reads: frozenset[str]

    @property
    def query(self) -> str:
        """The SELECT of a view."""
        return unqualified(self.statement.split(" as\n", 1)[1])

    @property
    def is_on_act(self) -> bool:
        """Whether it has process-time joins itself."""
        return AS_OF in self.statement

    @property
    def table(self) -> Table:
        """A source table as the model in Python keeps it."""
        found = COLUMN.findall(self.statement)
        keys = KEY.search(self.statement)
        rule = re.search(r"on conflict (do nothing|do update full)\s*$", self.statement)
        return Table(
            self.name,
            tuple(Column(name, type_) for name, type_, _ in found),
            tuple(keys[1].split(", ")) if keys else tuple(name for name, _, key in found if key),
            rule[1] if rule else None,
        )


@dataclass(frozen=True)
class Shipped:
    """Everything that can be there without a broker or another database, each after what it reads."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, statements: Sequence[str]) -> Shipped:
        """Read a run's statements; leaves out what has a connector, and what reads that."""
        nodes: list[Node] = []
        elsewhere: set[str] = set()
        for statement in statements:
            found = CREATE.match(statement)
            if found is None:
                continue
            reads = frozenset(REFERENCE.findall(statement)) - {found[2]}
            if "connector = " in statement or reads & elsewhere:
                elsewhere.add(found[2])
                continue
            nodes.append(Node(found[2], cast("Kind", found[1]), statement, reads))
        return cls(tuple(nodes))

    @property
    def relations(self) -> tuple[Node, ...]:
        """Tables and views."""
        return tuple(node for node in self.nodes if node.kind in RELATIONS)

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(node.table for node in self.nodes if node.kind == "table")

    def node(self, name: str) -> Node:
        [found] = [node for node in self.nodes if node.name == name]
        return found

    def without(self, *names: str) -> Shipped:
        """The rest, without these and what reads them, directly or not."""
        gone, kept = set(names), []
        for node in self.nodes:
            if node.name in gone or node.reads & gone:
                gone.add(node.name)
            else:
                kept.append(node)
        return Shipped(tuple(kept))

    def in_schema(self, schema: str, link: str) -> list[str]:
        """The statements for a schema of a RisingWave, and for a functions' server at `link`."""
        return [
            re.sub(
                r"using link '[^']*'",
                f"using link '{link}'",
                re.sub(r'(?:"dev"\.)?"public"\.', f'"{schema}".', node.statement),
            )
            for node in self.nodes
        ]

    def deploy(self, conn: psycopg.Connection) -> None:
        """Deploy everything on the embedded engine, which with portable=True refuses what RisingWave refuses."""
        for node in self.nodes:
            deploy_embedded(conn, node, self.indexes(node.name))

    def indexes(self, name: str) -> list[list[str]]:
        """The columns of a relation's indexes."""
        found = [ON_INDEX.search(node.statement) for node in self.nodes if node.kind == "index"]
        return [each[2].split(", ") for each in found if each is not None and each[1] == name]


def unqualified(statement: str) -> str:
    return re.sub(r'(?:"dev"\.)?"public"\.', "", statement)


def deploy_embedded(conn: psycopg.Connection, node: Node, indexes: list[list[str]]) -> None:
    """Deploy what a statement creates; indexes come with their view, and every view has a feed."""
    match node.kind:
        case "table":
            deploy.deploy_table(conn, node.name, unqualified(node.statement))
        case "function":
            arguments, returns = re.findall(r"\((.*?)\)\nreturns (.*)\n", node.statement)[0]
            split = [tuple(argument.split(" ", 1)) for argument in re.split(r", (?![^<]*>)", arguments)]
            module = ROOT / f"udfs/{node.name}.py"
            deploy.deploy_function(conn, node.name, split, returns, module=str(module), entry=node.name)
        case "sink":
            deploy.deploy_sink(conn, node.name, unqualified(node.statement))
        case "view" | "materialized view":
            deploy.deploy_view(
                conn,
                node.name,
                node.query,
                materialized=node.kind == "materialized view",
                indexes=indexes,
                portable=True,
            )
