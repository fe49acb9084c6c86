"""Views that another version of the compiler built: told by the shape of their nodes, and built again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from millstream.compiler.incremental.node import Node
from millstream.engine.catalog import store
from millstream.engine.catalog.store import State
from millstream.errors import MillstreamError

log = logging.getLogger("millstream.upgrade")

FORMAT = (
    4  # raised when a release stores something else in a node of the same shape, or computes it otherwise
)


class Outdated(MillstreamError):
    """Some views are stored as another version of Millstream compiled them."""

    def __init__(self, states: Sequence[State]) -> None:
        names = ", ".join(f"{state.schema}.{state.relation}" for state in states)
        super().__init__(
            f"another version of Millstream deployed {names}\n"
            "  hint: restart the worker (millstream down, millstream up), which builds them again"
        )
        self.states = tuple(states)


def signature(nodes: Sequence[Node], state: str) -> str:
    """Identify what a view's nodes store; the version in the view's own name does not count."""
    parts = [
        f"{node.name} {[name for name, _ in node.outputs]} {node.rule} {node.keys} {node.unique} {node.on_act}"
        for node in nodes
    ]
    text = "\n".join([str(FORMAT), *parts]).replace(state, "@")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(found: Sequence[tuple[State, Sequence[Node]]]) -> None:
    """Raise Outdated for the states whose nodes are not what this version compiles."""
    outdated = [state for state, nodes in found if state.detail.get("nodes") != signature(nodes, state.name)]
    if outdated:
        raise Outdated(outdated)


def build_again(dsn: str, outdated: Outdated) -> None:
    """Build the views again from their definitions, each once, in the order in which they read one another."""
    from millstream.engine.deploy import deploy

    with deploy.connect(dsn) as conn:
        relations = store.load(conn).relations.items()
        current = {found.state: key for key, found in relations if found.kind == "materialized_view"}
        waiting = {current[state.name] for state in outdated.states if state.name in current}
        log.warning("another version of Millstream built %d views: they are built again", len(waiting))
        while waiting:
            catalogue = store.load(conn)
            ready = [
                (key, state)
                for key in sorted(waiting)
                if (state := catalogue.states.get(catalogue.relations[key].state or "")) is not None
                and not {tuple(name.split(".", 1)) for name in state.reads} & (waiting - {key})
            ]
            for (schema, name), state in ready:
                deploy.deploy_again(conn, state, later=waiting - {(schema, name)})
                log.info("built %s.%s again", schema, name)
            waiting -= {key for key, _ in ready}
