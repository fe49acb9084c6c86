"""Deploy a project's settings: rights, barriers and the worker go by the new ones at once."""

from __future__ import annotations

import psycopg

from millstream.engine.catalog import store
from millstream.engine.catalog.project_settings import (
    ProjectSettings,
    read_project_settings,
    write_project_settings,
)
from millstream.engine.deploy.public import is_shown
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state.locks import only_a_moment, patiently
from millstream.engine.state.rights import change_rights


def names_of_nothing(conn: psycopg.Connection, settings: ProjectSettings) -> list[str]:
    """What is called so by no view and no source that is deployed, though there are some: a word mistyped, most likely."""
    found = []
    catalogue = store.load(conn)
    views = [
        entry.name for entry in catalogue.relations.values() if entry.kind in ("view", "materialized_view")
    ]
    if views and not any(name.startswith(settings.reader_prefix) for name in views):
        found.append(
            f"no view that is deployed begins with {settings.reader_prefix} (var reader_prefix): until one does, "
            "readers may read none"
        )
    columns = {name for state in catalogue.states.values() for name in state.column_names}
    for var in ("event_time_column", "arrival_column"):
        name = getattr(settings, var)
        if columns and name not in columns:
            found.append(f"no source has a column {name} (var {var}): the event clock cannot go by it")
    return found


def deploy_settings(conn: psycopg.Connection, wanted: ProjectSettings) -> bool:
    """Let a running engine go by other settings; returns whether they were others.

    Readers of a view whose name is no longer one for them lose it, and those of one whose name is now one get it. The
    event clock, which never goes back, goes on by the new columns.
    """
    if read_project_settings(conn) == wanted:
        return False

    def change() -> None:
        with conn.transaction():
            catalogue = begin_change(conn)
            only_a_moment(conn)
            before = read_project_settings(conn)
            write_project_settings(conn, wanted)
            for entry in catalogue.relations.values():
                if entry.kind in ("view", "materialized_view") and is_shown(conn, entry.schema, entry.name):
                    change_rights(conn, entry.schema, entry.name, before, wanted)
            store.raise_epoch(conn)

    patiently(conn, change)
    return True
