"""Deploy plain views: PostgreSQL keeps them for readers, the catalogue for the views that read them."""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp

from millstream.compiler.postgres.names import quote
from millstream.compiler.syntax.parse import parse
from millstream.diagnostics import refuse
from millstream.engine.catalog.records import Entry
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.naming import free_name
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.public import is_shown, replace_view, shown_text
from millstream.engine.state.rights import grant


def add_plain(
    draft: Draft,
    schema: str,
    name: str,
    sql: str,
    path: str | None,
    later: Collection[tuple[str, str]] = (),
) -> Deployed:
    """Let a name stand for a plain view, and add the materialized views that have its text in them."""
    conn, catalogue = draft.conn, draft.catalogue
    existing = catalogue.named(schema, name)
    if (
        existing is not None
        and existing.kind == "view"
        and " ".join(existing.text.split()) == " ".join(sql.split())
        and is_shown(conn, schema, name)
    ):
        return Deployed(name, "unchanged", "view")
    refuse_memory(sql, path)
    if existing is None or existing.kind not in ("view", "materialized_view"):
        free_name(conn, catalogue, schema, name, "view", path)
    draft.name(Entry(schema, name, "view", None, sql, path))

    def show() -> None:
        conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
        replace_view(conn, catalogue, schema, name, shown_text(catalogue, sql, path))
        grant(conn, schema, name, "view")

    draft.swaps.append(show)
    if existing is not None:
        draft.add_readers(schema, name, later)
    return Deployed(name, "replaced" if existing is not None else "created", "view")


def refuse_memory(sql: str, path: str | None) -> None:
    """Refuse a plain view that would have to remember what it met."""
    if any(node.args.get("version") is not None for node in parse(sql, path).find_all(exp.Table)):
        raise refuse("MS016/plain view", None, path=path)
