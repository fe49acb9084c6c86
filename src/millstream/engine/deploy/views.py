"""Deploy views, materialized ones and plain ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import psycopg

from millstream.compiler.portable.keyed import refuse_scans
from millstream.compiler.portable.rules import refuse_unportable
from millstream.engine.catalog.records import StoredView
from millstream.engine.catalog.resolver import Resolver, load_names
from millstream.engine.deploy.beside import Steps
from millstream.engine.deploy.change import Prepare, carry_out, carrying_out
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import check_name
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.plain import add_plain
from millstream.engine.deploy.unchanged import found_unchanged, note_mark
from millstream.engine.state.locks import Tell


def deploy_view(
    conn: psycopg.Connection, name: str, sql: str, *, tell: Tell | None = None, **options: Any
) -> Deployed:
    """Deploy a view, as `prepare_view` says. `tell` hears lines of progress where it takes long."""
    with refusing_faults(name, options.get("path"), sql, partial(load_names, conn)):
        return carry_out(conn, prepare_view(name, sql, **options), tell)


def deploy_again(
    conn: psycopg.Connection, state: StoredView, *, later: Collection[tuple[str, str]] = ()
) -> Deployed:
    """Build what a version of a view says anew, beside it, with everything that reads it."""
    return deploy_view(
        conn,
        state.relation,
        state.definition,
        schema=state.schema,
        path=state.path,
        indexes=state.indexes,
        force=True,
        later=later,
    )


def deploying_view(conn: psycopg.Connection, name: str, sql: str, **options: Any) -> Steps:
    """Deploy a view step by step."""
    with refusing_faults(name, options.get("path"), sql, partial(load_names, conn)):
        return (yield from carrying_out(conn, prepare_view(name, sql, **options)))


def prepare_view(
    name: str,
    sql: str,
    *,
    schema: str = "public",
    path: str | None = None,
    materialized: bool = True,
    indexes: Sequence[Sequence[str]] = (),
    force: bool = False,
    later: Collection[tuple[str, str]] = (),
    portable: bool = False,
    read_by: Sequence[str] = (),
) -> Prepare:
    """Say what deploying a view means. An unchanged one is left alone unless `force` asks; a changed one is built beside.

    Dependants are rebuilt and swapped with it, but for those (schema, name) that the caller deploys `later` in any
    case: they read the old version until then. So does one that cannot be rebuilt; the outcome says so. A materialized
    view that must be `portable` is refused where RisingWave would refuse it, and a plain view where a read of it by the columns
    `read_by` would scan there.
    """
    check_name(schema, name, path)

    def prepare(draft: Draft) -> Deployed:
        if not materialized:
            if portable and read_by:
                refuse_scans(sql, Resolver(draft.catalogue), path, draft.catalogue.indexes, read_by)
            return add_plain(draft, schema, name, sql, path, later)
        if not force and (found := found_unchanged(draft, schema, name, sql, indexes, portable)) is not None:
            return found
        if portable:
            known = draft.catalogue
            refuse_unportable(sql, Resolver(known), path, known.indexes, known.definition)
        deployed = draft.add(schema, name, sql, path, indexes, force=force)
        note_mark(draft, schema, name, sql, indexes, portable)
        if deployed.action != "unchanged":
            draft.add_readers(schema, name, later)
        return deployed

    return prepare
