"""Small rewrites that only writing SQL needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import column
from millstream.compiler.algebra.operators import (
    Aggregate,
    Join,
    Plan,
    Project,
    Scan,
    Side,
    UdfProject,
    inputs,
    with_inputs,
)
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.layout import listing
from millstream.compiler.postgres.names import function, quote
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.scalar import scalar

Position = Callable[[str], int]  # relation → its place in the order of a tick


def udf_calls(udf: UdfProject) -> tuple[tuple[str, str], ...]:
    """(function, SELECT list of its arguments) of each Python call."""
    return tuple((name, listing([scalar(x) for x in args])) for _, name, args in udf.calls)


def declared(plan: Plan) -> Plan:
    """Write Python calls as calls of their SQL declarations, to learn types."""
    below = tuple(declared(child) for child in inputs(plan))
    plan = with_inputs(plan, below)
    if not isinstance(plan, UdfProject):
        return plan
    calls = tuple(
        (a, exp.Anonymous(this=function(name), expressions=[x.copy() for x in args]))
        for a, name, args in plan.calls
    )
    return Project(plan.input, (*((a, column(a)) for a in plan.input.columns), *calls))


def as_of(plan: Plan, node: Node, position: Position, here: int) -> Plan:
    """Read the right sides of process-time joins as of the previous tick, looked up for each left row."""
    passive = {scan.instance for scan in node.looked_up}
    below = tuple(as_of(child, node, position, here) for child in inputs(plan))
    plan = with_inputs(plan, below)
    if isinstance(plan, Scan) and plan.instance in passive and position(plan.relation.name) < here:
        return replace(plan, side=Side.PREVIOUS)
    return replace(plan, leads="left") if isinstance(plan, Join) and plan.process_time else plan


def with_key_types(plan: Plan, describe: Describe) -> Plan:
    """Ask PostgreSQL for the types of group keys that the text of the model did not tell."""
    below = tuple(with_key_types(child, describe) for child in inputs(plan))
    if any(new is not old for new, old in zip(below, inputs(plan), strict=True)):
        plan = with_inputs(plan, below)
    if not isinstance(plan, Aggregate) or all(key.type for key in plan.keys):
        return plan
    keys = listing([quote(key.name) for key in plan.keys])
    types = describe(f"SELECT {keys} FROM ({render(declared(plan.input))}) AS s")
    return replace(plan, keys=tuple(replace(k, type=t) for k, t in zip(plan.keys, types, strict=True)))
