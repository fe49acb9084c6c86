"""From a definition and the catalogue to nodes: the same call at deploy and whenever a worker starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.pq import ExecStatus

from millstream.compiler.binder.model import bind_model
from millstream.compiler.binder.scope import Context
from millstream.compiler.incremental.node import Node
from millstream.compiler.incremental.segment import compile_nodes
from millstream.engine.catalog.store import Catalogue, Pins


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
    plan, outputs = bind_model(sql, context)
    nodes = compile_nodes(state, plan, outputs, context.names, path)
    return Compiled(nodes, dict(catalogue.resolved))


def describer(conn: psycopg.Connection) -> Callable[[str], list[str]]:
    """Return a function that asks PostgreSQL for the column types of a SELECT, which is read and not run."""
    names: dict[int, str] = {}
    known: dict[str, list[int]] = {}

    def described(sql: str) -> list[int]:
        for result in (
            conn.pgconn.prepare(b"", f"SELECT * FROM ({sql}) AS s".encode()),
            conn.pgconn.describe_prepared(b""),
        ):
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
        return [result.ftype(number) for number in range(result.nfields)]

    def describe(sql: str) -> list[str]:
        oids = known[sql] if sql in known else known.setdefault(sql, described(sql))
        if unknown := set(oids) - names.keys():
            rows = conn.execute(
                "select oid, format_type(oid, null) from unnest(%s::oid[]) as t(oid)", [list(unknown)]
            )
            names.update(rows.fetchall())
        return [names[oid] for oid in oids]

    return describe


def fingerprint(sql: str, reads: Pins) -> str:
    """Identify a definition together with everything it reads."""
    text = " ".join(sql.split()) + repr(sorted((k, sorted(v.items(), key=str)) for k, v in reads.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
