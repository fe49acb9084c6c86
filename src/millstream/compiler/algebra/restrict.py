"""Restrict a plan to some keys, as near to the leaves as the predicate can go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import column, conjunction, equalities, plain, substitute
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    names,
)

Keys = Mapping[str, exp.Expr]  # attribute name → the value it must equal


def restrict(plan: Plan, keys: Keys) -> Plan:
    """Return σ(key = value)(plan), pushed down; the values may refer to a row outside of the plan.

    A conjunct that cannot go below an operator stays above it. Windows whose PARTITION BY is pinned to one value lose
    it, which lets PostgreSQL stop at the k-th row of an index; aggregations know which of their keys are pinned.
    """
    if not keys:
        return plan
    if isinstance(plan, (Scan, Values, First)):
        return filter_by(plan, keys)
    if isinstance(plan, (Filter, TimeFilter, UdfProject, Unnest, Lateral)):
        inside = {name: value for name, value in keys.items() if name in names(plan.input)}
        below = replace(plan, input=restrict(plan.input, inside))
        return filter_by(below, {name: value for name, value in keys.items() if name not in inside})
    if isinstance(plan, Project):
        return restrict_project(plan, keys)
    if isinstance(plan, UnionAll):
        positions = {attribute.name: i for i, attribute in enumerate(plan.columns)}
        return replace(
            plan,
            inputs=tuple(
                restrict(branch, {branch.columns[positions[n]].name: v for n, v in keys.items()})
                for branch in plan.inputs
            ),
        )
    if isinstance(plan, Aggregate):
        grouped = {attribute.name for attribute in plan.keys}
        inside = {name: value for name, value in keys.items() if name in grouped}
        grouped_below = replace(
            plan, input=restrict(plan.input, inside), pinned=plan.pinned | frozenset(inside)
        )
        return filter_by(grouped_below, {name: value for name, value in keys.items() if name not in inside})
    if isinstance(plan, Window):
        parts = {attribute.name for attribute in plan.partition}
        inside = {name: value for name, value in keys.items() if name in parts}
        rest = tuple(attribute for attribute in plan.partition if attribute.name not in inside)
        ranked_below = replace(plan, input=restrict(plan.input, inside), partition=rest)
        return filter_by(ranked_below, {name: value for name, value in keys.items() if name not in inside})
    return restrict_join(plan, keys)


def filter_by(plan: Plan, keys: Keys) -> Plan:
    """Put the restriction right here."""
    predicate = conjunction(
        exp.EQ(this=column(name), expression=value.copy()) for name, value in keys.items()
    )
    return Filter(plan, predicate) if predicate is not None else plan


def restrict_project(plan: Project, keys: Keys) -> Plan:
    """Push through a projection what it merely passes on."""
    inside: dict[str, exp.Expr] = {}
    above: dict[str, exp.Expr] = {}
    sources = {attribute.name: plain(expression) for attribute, expression in plan.items}
    for name, value in keys.items():
        source = sources[name]
        if source is not None and source not in inside:
            inside[source] = value
        else:
            above[name] = value
    return filter_by(replace(plan, input=restrict(plan.input, inside)), above)


def restrict_join(plan: Join, keys: Keys) -> Plan:
    """Push into the side that has the column, and through an equality into the other side too."""
    if plan.kind == "full":
        return filter_by(plan, keys)
    left, right = names(plan.left), names(plan.right)
    inner = plan.kind == "inner" and not plan.nearest
    to_left = {name: value for name, value in keys.items() if name in left}
    to_right = {name: value for name, value in keys.items() if name in right and inner}
    above = {name: value for name, value in keys.items() if name not in to_left and name not in to_right}
    for a, b in equalities(plan.on, left, right):
        a_name, b_name = plain(a), plain(b)
        if a_name is None or b_name is None:
            continue
        if a_name in to_left:
            to_right.setdefault(b_name, to_left[a_name])
        elif b_name in to_right and inner:
            to_left.setdefault(a_name, to_right[b_name])
    joined = replace(plan, left=restrict(plan.left, to_left), right=restrict(plan.right, to_right))
    return filter_by(joined, above)


def restrict_nullable(plan: Plan, keys: Keys, key_hash: exp.Expr) -> Plan:
    """Restrict to keys that may be NULL: by their hash, which an index serves, and by comparison."""
    by_hash = exp.EQ(
        this=exp.Anonymous(
            this="hash_record_extended",
            expressions=[
                exp.Anonymous(this="ROW", expressions=[column(name) for name in keys]),
                exp.Literal.number(0),
            ],
        ),
        expression=key_hash.copy(),
    )
    same = [exp.NullSafeEQ(this=column(name), expression=value) for name, value in keys.items()]
    return push_filter(plan, exp.and_(by_hash, *same, copy=False), frozenset(keys))


def push_filter(plan: Plan, predicate: exp.Expr, attributes: frozenset[str]) -> Plan:
    """Push a predicate below the operators that pass all its attributes on."""
    if isinstance(plan, Project):
        items = {a.name: e for a, e in plan.items if a.name in attributes}
        if all(plain(e) for e in items.values()):
            inside = frozenset(plain(e) or "" for e in items.values())
            return replace(plan, input=push_filter(plan.input, substitute(predicate, items), inside))
    elif isinstance(plan, Filter):
        return replace(plan, input=push_filter(plan.input, predicate, attributes))
    elif isinstance(plan, (Aggregate, Window)):
        keys = plan.keys if isinstance(plan, Aggregate) else plan.partition
        if attributes <= {key.name for key in keys}:
            return replace(plan, input=push_filter(plan.input, predicate, attributes))
    elif isinstance(plan, Join) and plan.kind != "full" and attributes <= names(plan.left):
        return replace(plan, left=push_filter(plan.left, predicate, attributes))
    elif (
        isinstance(plan, Join)
        and plan.kind == "inner"
        and not plan.nearest
        and attributes <= names(plan.right)
    ):
        return replace(plan, right=push_filter(plan.right, predicate, attributes))
    elif isinstance(plan, UnionAll):
        return replace(plan, inputs=tuple(push_branch(plan, b, predicate, attributes) for b in plan.inputs))
    return Filter(plan, predicate)


def push_branch(union: UnionAll, branch: Plan, predicate: exp.Expr, attributes: frozenset[str]) -> Plan:
    """Push a predicate over a union's columns into one of its branches."""
    own = {
        top.name: below
        for top, below in zip(union.columns, branch.columns, strict=True)
        if top.name in attributes
    }
    renamed = substitute(predicate, {name: column(below) for name, below in own.items()})
    return push_filter(branch, renamed, frozenset(below.name for below in own.values()))
