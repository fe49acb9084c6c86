"""Faults: how a view is built beside what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from millstream.compiler.algebra.operators import Scan, Side, inputs, with_inputs
from millstream.compiler.postgres.names import log
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.deploy.beside import Beside
from millstream.engine.deploy.catch_up import CatchUp
from millstream.engine.deploy.change_log import Log, Logs
from tests.equivalence.mutations.fault import Fault, Original, edited, wrapped


def first_log_alone(original: Original) -> Original:
    """Take the changes of one relation over, and leave those of the others."""

    def changed(self: Any) -> int:
        for each in self.logs[1:]:
            self.conn.execute(f"DELETE FROM {log(each.relation)}".encode())
        return int(original(self))

    return changed


def all_as_before(_: Original) -> Original:
    """Read the previous image of every relation outside."""

    def seen(self: Any, term: Any, *_: Any) -> Any:
        def image(plan: Any) -> Any:
            if not isinstance(plan, Scan):
                return with_inputs(plan, tuple(image(child) for child in inputs(plan)))
            old = plan.side is Side.STATE and plan.relation.name in self.outside
            return replace(plan, side=Side.PREVIOUS) if old else plan

        return replace(term, plan=image(term.plan))

    return seen


def without_the_rest(original: Original) -> Original:
    """Publish without taking over what was logged since the last step."""

    def changed(self: Any) -> None:
        with patch.object(type(self), "take_over", lambda *_: 0):
            original(self)

    return changed


def kept_at_the_top(original: Original) -> Original:
    """Keep no node up before the last one is filled."""

    def changed(self: Any, sql: Any) -> None:
        original(self, sql)
        if sql is not self.nodes[-1]:
            self.filled.pop()

    return changed


def few(counts: dict[str, int]) -> dict[str, int]:
    """What a tick has changed, but for relations of which it changed many rows."""
    return {name: count for name, count in counts.items() if count < 2}


FAULTS = (
    Fault(
        "a build takes over nothing of one relation",
        wrapped(CatchUp, "run", first_log_alone),
        ("join",),
        tables=2,
        building=True,
    ),
    Fault(
        "a build takes over changes twice",
        edited(Log, "take", r"DELETE (FROM.*?) RETURNING \*", r"SELECT * \1"),
        ("aggregate",),
        building=True,
    ),
    Fault(
        "a build reads what a relation is, for what it was",
        wrapped(NodeSql, "seen", lambda _: lambda self, term, *_: term),
        ("join", "self_join"),
        tables=2,
        building=True,
    ),
    Fault(
        "a build reads what a relation was, for what it is",
        wrapped(NodeSql, "seen", all_as_before),
        ("join", "self_join"),
        tables=2,
        building=True,
    ),
    Fault(
        "the swap leaves out what came last",
        wrapped(Beside, "publish", without_the_rest),
        ("select",),
        building=True,
    ),
    Fault(
        "a tick logs in parts",
        wrapped(
            Logs,
            "record",
            lambda original: lambda self, conn, tick, counts: original(self, conn, tick, few(counts)),
        ),
        ("select",),
        building=True,
    ),
    Fault(
        "a build does not tell how time has passed",
        wrapped(Beside, "at", lambda original: lambda self, _, now: original(self, now, now)),
        ("temporal",),
        building=True,
    ),
    Fault(
        "a node that is filled is not kept up",
        wrapped(CatchUp, "follow", kept_at_the_top),
        ("aggregate", "join", "window"),
        depth=1,
        building=True,
    ),
)
