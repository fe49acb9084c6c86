"""Build views again that another version of the compiler has stored."""

from __future__ import annotations

import logging

from millstream.engine.catalog import store
from millstream.engine.deploy.connection import connect
from millstream.engine.deploy.views import deploy_again
from millstream.engine.state.versions import Outdated

log = logging.getLogger("millstream.upgrade")


def build_again(dsn: str, outdated: Outdated) -> None:
    """Build the views again from their definitions, each once, in the order in which they read one another."""
    with connect(dsn) as conn:
        relations = store.load(conn).relations.items()
        current = {found.state: key for key, found in relations if found.kind == "materialized_view"}
        waiting = {current[state.name] for state in outdated.states if state.name in current}
        log.warning("another version of Millstream built %d views: they are built again", len(waiting))
        while waiting:
            catalogue = store.load(conn)
            ready = [
                (key, state)
                for key in sorted(waiting)
                if (state := catalogue.current(*key)) is not None
                and not {tuple(name.split(".", 1)) for name in state.reads} & (waiting - {key})
            ]
            for (schema, name), state in ready:
                deploy_again(conn, state, later=waiting - {(schema, name)})
                log.info("built %s.%s again", schema, name)
            waiting -= {key for key, _ in ready}
