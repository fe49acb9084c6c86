"""Which values fit an index.

A row of an index has at most 2,704 bytes, and a longer one is an error. So where a node looks rows up by columns whose
values have no bound (text, above all), it reads the rows alone in which they fit, and the index holds those alone: the
others are missing in that view, and are counted there, and nowhere else. The condition is in both forms of a node and in
the index, so that a row is in or out for good. It costs nothing in a look-up: PostgreSQL knows that the index implies it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from millstream.compiler.algebra.operators import Fit, Plan, Relation, Scan, inputs, scans, with_inputs
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.identity import named
from millstream.compiler.postgres.indexes import needed
from millstream.compiler.postgres.names import quote, table

MOST_BYTES = 2500  # of the values without bound in one row of an index; the rest is for the others
BOUNDED = frozenset(
    {
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "oid",
        "name",
        "real",
        "double precision",
        "uuid",
        "date",
        "interval",
        "time without time zone",
        "time with time zone",
        "timestamp without time zone",
        "timestamp with time zone",
    }
)
Types = Mapping[str, str]  # value of an index, as SQL over the relation's columns → its type
Describe = Callable[[str], list[str]]
INNER = re.compile(r"(@\d+)__\d+$")  # what an inner node's name has beyond its model's


def model_of(node: Node) -> str:
    """The stored version of a model that a node belongs to."""
    return INNER.sub(r"\1", node.name)


def limits(indexes: Iterable[Iterable[str]], types: Types, model: str) -> tuple[Fit, ...]:
    """How long the values of some indexes may be, for those that have no bound by their type."""
    found: dict[str, Fit] = {}
    for indexed in indexes:
        unbounded = [value for value in indexed if named(types[value]) not in BOUNDED]
        for value in unbounded:
            most = min(MOST_BYTES // len(unbounded), found[value].bytes if value in found else MOST_BYTES)
            found[value] = Fit(value, most, types[value], model)
    return tuple(found[value] for value in sorted(found))


def values(expressions: Iterable[str]) -> list[str]:
    """The columns and expressions of an index, without the hashes, which are never too long."""
    return [
        text.removesuffix(" DESC") for text in expressions if not text.startswith("hash_record_extended(")
    ]


def with_fitting(plan: Plan, wanted: Mapping[str, tuple[Fit, ...]]) -> Plan:
    """Let the scans of relations read only rows that fit."""
    if isinstance(plan, Scan):
        return replace(plan, fits=wanted[plan.relation.name]) if plan.relation.name in wanted else plan
    below = tuple(with_fitting(child, wanted) for child in inputs(plan))
    same = all(new is old for new, old in zip(below, inputs(plan), strict=True))
    return plan if same else with_inputs(plan, below)


def looked_up(node: Node, describe: Describe) -> dict[str, tuple[Fit, ...]]:
    """Per relation, the values without bound by which a node looks its rows up, but for the key, which fits already."""
    relations = {scan.relation.name: scan.relation for scan in scans(node.plan)}
    indexes: dict[str, list[list[str]]] = {}
    for index in needed(node):
        indexed = values(index.expressions)
        if tuple(map(quote, relations[index.relation].key[: len(indexed)])) != tuple(indexed):
            indexes.setdefault(index.relation, []).append(indexed)
    found = {}
    for name, mine in indexes.items():
        listed = sorted({value for indexed in mine for value in indexed})
        found[name] = limits(mine, types_of(relations[name], listed, describe), model_of(node))
    return {name: mine for name, mine in found.items() if mine}


def types_of(relation: Relation, listed: list[str], describe: Describe) -> Types:
    """The types of indexed values: known of relations deployed before, asked for the model's own nodes and for expressions."""
    known = {quote(name): type_ for name, type_, _ in relation.columns}
    if all(known.get(value) for value in listed):
        return known
    return dict(zip(listed, describe(f"SELECT {', '.join(listed)} FROM {table(relation.name)}"), strict=True))


def own_indexes(node: Node, asked: Sequence[Sequence[str]]) -> list[list[str]]:
    """The columns of a node's own indexes, quoted: that of its key, and those that the model asks for."""
    by_key = [node.keys] if node.keys and not node.nullable_key else []
    return [[quote(name) for name in columns] for columns in (*by_key, *asked)]
