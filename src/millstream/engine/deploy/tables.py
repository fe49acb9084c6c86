"""Deploy source tables: what clients write to, its queue, and the engine's copy."""

from __future__ import annotations

import psycopg

from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.names import quote
from millstream.compiler.syntax.declarations.declared import TableDeclaration
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import Entry, StoredTable
from millstream.engine.deploy.change import carry_out
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.extend import extend_table
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import check_name, free_name, table_state
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.public import declared_columns
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state.locks import Tell, only_a_moment, patiently, place_of_deployments
from millstream.engine.state.rights import grant
from millstream.engine.state.source import Source
from millstream.engine.state.types import check_expressions, check_types, create_composites


def deploy_table(
    conn: psycopg.Connection,
    name: str,
    ddl: str,
    *,
    schema: str = "public",
    path: str | None = None,
    private: bool = False,
    tell: Tell | None = None,
) -> Deployed:
    """Deploy a source table from RisingWave's CREATE TABLE. New nullable columns may be added at the end later.

    A `private` one is the owner's alone: the writer's role may neither read nor write it.
    """
    check_name(schema, name, path)
    declared = parse_table(ddl, path, new=True)

    def declare() -> Deployed:
        catalogue = begin_change(conn)
        check_types(conn, declared, path)
        existing = catalogue.named(schema, name)
        if existing is None or existing.kind != "table" or existing.state is None:
            free_name(conn, catalogue, schema, name, "table", path)
            create_table(conn, catalogue, schema, name, declared, ddl, path)
            return Deployed(name, "created", "source table")
        before = parse_table(existing.text, existing.path)
        if before == declared:
            return Deployed(name, "unchanged", "source table")
        only_a_moment(conn)
        added = extend_table(conn, catalogue, existing, before, declared, ddl, path)
        return Deployed(name, "replaced", f"source table, {added} columns added")

    def declare_and_grant() -> Deployed:
        with conn.transaction():
            deployed = declare()
            grant(conn, schema, name, "table", private=private)
            return deployed

    with refusing_faults(name, path, ddl), place_of_deployments(conn, tell):
        deployed = patiently(conn, declare_and_grant)
        if deployed.action != "replaced":
            return deployed

        def build_readers(draft: Draft) -> Deployed:
            draft.add_readers(schema, name)
            return deployed

        return carry_out(conn, build_readers, tell)


def create_table(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    schema: str,
    name: str,
    declared: TableDeclaration,
    ddl: str,
    path: str | None,
) -> None:
    """Create a source table: the one that clients write to, its queue, and the engine's copy."""
    state = table_state(catalogue, schema, name)
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
    create_composites(conn, declared.composites)
    source = Source(state, f"{quote(schema)}.{quote(name)}", declared)
    check_expressions(conn, declared, source.clients.generated, path)
    for statement in source.create():
        conn.execute(statement.encode())
    stored = StoredTable(
        state,
        schema,
        name,
        ddl,
        path,
        declared_columns(conn, state, declared),
        declared.key or (HASH,),
        (state,),
        declared.append_only,
        source.clients.triggers_mark,
    )
    store.put_state(conn, stored)
    store.put_entry(conn, Entry(schema, name, "table", state, ddl, path))
    store.raise_epoch(conn)
