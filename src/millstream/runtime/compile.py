"""From a definition and the catalogue to nodes: the same call at deploy and whenever a worker starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from millstream.catalog.store import Catalogue, Pins
from millstream.delta.node import Node
from millstream.delta.segment import compile_nodes
from millstream.front.functions import inline
from millstream.front.parse import parse
from millstream.front.query import bind_query
from millstream.front.scope import Context


@dataclass(frozen=True)
class Compiled:
    """A model's nodes, the last one being the model, and what the names in it meant."""

    nodes: tuple[Node, ...]
    reads: Pins


def compile_view(
    catalogue: Catalogue, state: str, sql: str, path: str | None, pins: Pins | None = None
) -> Compiled:
    """Compile a SELECT. With `pins`, names mean what they meant when that version was deployed."""
    catalogue.pins = pins
    catalogue.resolved = {}
    context = Context(catalogue, path=path, model=state)
    plan, outputs = bind_query(inline(parse(sql, path), catalogue, path), context, {}, None)
    nodes = compile_nodes(state, plan, outputs, context.names, path)
    return Compiled(nodes, dict(catalogue.resolved))


def describer(conn: psycopg.Connection) -> Callable[[str], list[str]]:
    """Return a function that asks PostgreSQL for the column types of a SELECT."""

    def describe(sql: str) -> list[str]:
        cursor = conn.execute(f"SELECT * FROM ({sql}) AS s LIMIT 0".encode())
        oids = [column.type_code for column in cursor.description or ()]
        row = conn.execute(
            "select array_agg(format_type(t.oid, null) order by t.n) from unnest(%s::oid[]) with ordinality as t(oid, n)",
            [oids],
        ).fetchone()
        return list(row[0]) if row and row[0] else []

    return describe


def fingerprint(sql: str, reads: Pins) -> str:
    """Identify a definition together with everything it reads."""
    text = " ".join(sql.split()) + repr(sorted((k, sorted(v.items(), key=str)) for k, v in reads.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
