"""Where a column comes from, and how to bring a leaf's column up to the top."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, Names, column, plain, substitute
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Relation,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    inputs,
    names,
    scans,
    with_inputs,
)


def origins(plan: Plan, name: str) -> frozenset[tuple[int, str] | None]:
    """Return the (scan instance, stored column) that a column copies, one for each branch; None where computed."""
    if isinstance(plan, Scan):
        for attribute, stored in zip(plan.columns, plan.names, strict=True):
            if attribute.name == name:
                return frozenset({(plan.instance, stored)})
        return frozenset({None})
    if isinstance(plan, Project):
        for attribute, expression in plan.items:
            if attribute.name == name:
                source = plain(expression)
                return origins(plan.input, source) if source is not None else frozenset({None})
        return frozenset({None})
    if isinstance(plan, UnionAll):
        position = [attribute.name for attribute in plan.columns].index(name)
        found: frozenset[tuple[int, str] | None] = frozenset()
        for branch in plan.inputs:
            found |= origins(branch, branch.columns[position].name)
        return found
    if isinstance(plan, Join):
        side = plan.left if name in names(plan.left) else plan.right
        return origins(side, name)
    if isinstance(plan, Values):
        return frozenset({None})
    return origins(plan.input, name) if name in names(plan.input) else frozenset({None})


def source_of(plan: Plan, name: str) -> tuple[Scan, str] | None:
    """Return the one scan and stored column that a column copies, if there is just one."""
    found = origins(plan, name)
    if len(found) != 1:
        return None
    (only,) = found
    if only is None:
        return None
    leaf = next(scan for scan in scans(plan) if scan.instance == only[0])
    return leaf, only[1]


def expose(scan: Scan, stored: str, names: Names) -> tuple[Scan, Attribute]:
    """Return a scan that reads a stored column as well, and the attribute it has there."""
    for attribute, name in zip(scan.columns, scan.names, strict=True):
        if name == stored:
            return scan, attribute
    attribute = Attribute(names.fresh("key"), "bigint", False)
    return replace(scan, columns=(*scan.columns, attribute), names=(*scan.names, stored)), attribute


def carry(plan: Plan, relation: Relation, stored: str, labels: Names) -> tuple[Plan, Attribute]:
    """Bring the stored column of the scans of `relation` up to the top of a plan of row-wise operators.

    Every branch must have exactly one scan of the relation outside the right sides of process-time joins. A plan that
    passes the column on already is returned as it is. Raises LookupError where a GROUP BY stands in the way.
    """
    if isinstance(plan, Values) or (isinstance(plan, Scan) and plan.relation != relation):
        raise LookupError(relation.name)
    if isinstance(plan, Scan):
        return expose(plan, stored, labels)
    if isinstance(plan, UnionAll):
        for position, attribute in enumerate(plan.columns):
            if all(copies(b, b.columns[position].name, relation, stored) for b in plan.inputs):
                return plan, attribute
        branches, carried = zip(*(carry(b, relation, stored, labels) for b in plan.inputs), strict=True)
        top = Attribute(labels.fresh("key"), carried[0].type, any(c.nullable for c in carried))
        inputs = tuple(
            Project(
                branch,
                (
                    *((a, column(a)) for a in original.columns),
                    (Attribute(labels.fresh("key"), key.type, key.nullable), column(key)),
                ),
            )
            for branch, original, key in zip(branches, plan.inputs, carried, strict=True)
        )
        return UnionAll(inputs, (*plan.columns, top)), top
    if isinstance(plan, Join):
        left, attribute = carry(plan.left, relation, stored, labels)
        return replace(plan, left=left), attribute
    if isinstance(plan, (Aggregate, Window)):
        for key in plan.keys if isinstance(plan, Aggregate) else plan.partition:
            if copies(plan.input, key.name, relation, stored):
                return plan, key
        raise LookupError(stored)
    below, attribute = carry(plan.input, relation, stored, labels)
    if isinstance(plan, (Filter, TimeFilter, Unnest, Lateral, UdfProject)):
        return replace(plan, input=below), attribute
    if isinstance(plan, Project):
        for top, expression in plan.items:
            if plain(expression) == attribute.name:
                return replace(plan, input=below), top
        key = Attribute(labels.fresh("key"), attribute.type, attribute.nullable)
        return replace(plan, input=below, items=(*plan.items, (key, column(attribute)))), key
    raise LookupError(stored)


def copies(plan: Plan, name: str, relation: Relation, stored: str) -> bool:
    """Tell whether a column is, on every branch, a copy of that stored column of the relation."""
    leaves = {scan.instance: scan for scan in scans(plan)}
    return all(
        found is not None and found[1] == stored and leaves[found[0]].relation == relation
        for found in origins(plan, name)
    )


def trace(plan: Plan, name: str, down_to: Plan) -> str:
    """Follow a column that is only passed on, from the top of a plan down to an inner plan's column."""
    while plan is not down_to and plan != down_to:
        if isinstance(plan, Project):
            source = plain(next(e for a, e in plan.items if a.name == name))
            if source is None:
                raise LookupError(name)
            name = source
        plan = plan.input  # type: ignore[union-attr]
    return name


def flatten(plan: Plan) -> tuple[dict[str, exp.Expr], list[exp.Expr]]:
    """Write the projections and filters above an aggregation as expressions over its columns."""
    if isinstance(plan, Aggregate):
        return {a.name: column(a) for a in plan.columns}, []
    below, predicates = flatten(plan.input)  # type: ignore[union-attr]
    if isinstance(plan, Filter):
        return below, [*predicates, substitute(plan.predicate, below)]
    assert isinstance(plan, Project)
    return {a.name: substitute(e, below) for a, e in plan.items}, predicates


def replace_node(plan: Plan, old: Plan, new: Plan) -> Plan:
    """Replace a subplan by another."""
    if plan is old:
        return new
    return with_inputs(plan, tuple(replace_node(child, old, new) for child in inputs(plan)))
