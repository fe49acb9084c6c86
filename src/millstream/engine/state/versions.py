"""What identifies a compiled version of a view: the shape of its nodes. Another version of the compiler gives another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from millstream.compiler.incremental.node import Node
from millstream.engine.catalog.records import StoredView
from millstream.errors import MillstreamError

FORMAT = (
    4  # raised when a release stores something else in a node of the same shape, or computes it otherwise
)


class Outdated(MillstreamError):
    """Some views are stored as another version of Millstream compiled them."""

    def __init__(self, states: Sequence[StoredView]) -> None:
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


def refuse_outdated(found: Sequence[tuple[StoredView, Sequence[Node]]]) -> None:
    """Raise Outdated for the states whose nodes are not what this version compiles."""
    outdated = [state for state, nodes in found if state.nodes != signature(nodes, state.name)]
    if outdated:
        raise Outdated(outdated)
