"""Which indexes a node's statements need on the relations that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import column, links, plain, references, substitute
from millstream.compiler.algebra.lineage import origins, source_of
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Plan,
    Project,
    Scan,
    TimeFilter,
    UnionAll,
    Window,
    inputs,
    names,
    scans,
    walk,
)
from millstream.compiler.algebra.restrict import restrict
from millstream.compiler.dialect import called
from millstream.compiler.incremental.dynamic_filter import bound_comparison
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import quote
from millstream.compiler.postgres.scalar import scalar

# What an index may compute: nothing that fails on a value, for then the row could not be stored.
INDEXED = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Null,
    exp.Paren,
    exp.Coalesce,
    exp.DPipe,
    exp.JSONExtract,
    exp.JSONExtractScalar,
)

HASHED = ("ROW", "hash_record_extended")  # compiler/algebra/same.py
INDEXED_CALLS = ("lower", "upper", "trim", "btrim", "ltrim", "rtrim", *HASHED)


@dataclass(frozen=True)
class Index:
    """An index on a stored relation; `expressions` are SQL over its columns, in order."""

    relation: str
    expressions: tuple[str, ...]


def needed(node: Node) -> list[Index]:
    """Return the indexes for join lookups, recomputed keys, top-N orders and time bounds."""
    found: dict[Index, None] = {}
    for operator in walk(node.plan):
        if isinstance(operator, Join):
            found.update(dict.fromkeys(for_join(operator)))
        elif isinstance(operator, TimeFilter):
            index = for_column(operator.input, plain(operator.value))
            if index is not None:
                found[index] = None
        elif isinstance(operator, Aggregate) and not operator.keys:
            found.update(dict.fromkeys(for_extremes(operator)))
    if node.computes_keys:
        found.update(dict.fromkeys(for_keys(node)))
    return [index for index in found if not any(begins(other, index) for other in found)]


def begins(longer: Index, index: Index) -> bool:
    """Tell whether another index begins with the same columns and so serves as well."""
    return (
        longer != index
        and longer.relation == index.relation
        and longer.expressions[: len(index.expressions)] == index.expressions
    )


def for_column(plan: Plan, name: str | None) -> Index | None:
    """An index on the stored column that an attribute copies."""
    source = source_of(plan, name) if name is not None else None
    return Index(source[0].relation.name, (quote(source[1]),)) if source is not None else None


def for_extremes(aggregate: Aggregate) -> list[Index]:
    """The columns of min and max over everything: PostgreSQL reads an end of an index instead of all rows."""
    calls = [e.this for _, e in aggregate.items if isinstance(e, (exp.Min, exp.Max))]
    made = [for_column(aggregate.input, plain(value)) for value in calls]
    return [index for index in made if index is not None]


def for_join(join: Join) -> list[Index]:
    """Both sides by their equality; the left side of a process-time join is never looked up."""
    pairs = links(join.on, names(join.left), names(join.right))
    nearest = [term.this for term in join.nearest[:1]]
    sides = [(join.right, [b for _, b in pairs] + nearest)]
    if not join.process_time:
        sides.append((join.left, [a for a, _ in pairs]))
    found = bound_comparison(join)
    if found is not None:
        sides.append((join.left, [found[0]]))
    made = []
    for side, keys in sides:
        known = [found for key in keys for found in at_rest(side, key)]
        for scan in {leaf.instance: leaf for leaf, _ in known}.values():
            mine = tuple(dict.fromkeys(text for leaf, text in known if leaf.instance == scan.instance))
            made.append(Index(scan.relation.name, mine))
    return made


def at_rest(plan: Plan, key: exp.Expr) -> Iterator[tuple[Scan, str]]:
    """The scans whose stored columns alone a key is computed from, each with the key as SQL over these."""
    read = references(key)
    if isinstance(plan, Scan) and read:
        stored = {a.name: column(name) for a, name in zip(plan.columns, plan.names, strict=True)}
        below = substitute(key, stored).unnest()
        if plain(below) is not None:
            yield plan, scalar(below)
        elif all(may_be_indexed(node) for node in below.walk()):
            text = scalar(below)
            yield plan, text if called(below) in HASHED else f"({text})"
    elif isinstance(plan, Project):
        yield from at_rest(plan.input, substitute(key, {a.name: e for a, e in plan.items}))
    elif isinstance(plan, UnionAll):
        for branch in plan.inputs:
            own = {u.name: column(b) for u, b in zip(plan.columns, branch.columns, strict=True)}
            yield from at_rest(branch, substitute(key, own))
    else:
        for below_plan in inputs(plan):
            if read and read <= names(below_plan):
                yield from at_rest(below_plan, key)


def may_be_indexed(node: exp.Expr) -> bool:
    """Tell whether an index may compute a node."""
    return isinstance(node, INDEXED) or called(node) in INDEXED_CALLS


def for_keys(node: Node) -> list[Index]:
    """The leaves that recomputing a key reads, by that key, in the order of a top-N where there is one."""
    found = dict(node.outputs)
    keys: dict[str, exp.Expr] = {found[key].name: column(key, "k") for key in node.keys}
    made = []
    for operator in walk(restrict(node.plan, keys)):
        if isinstance(operator, Filter) and isinstance(operator.input, Scan):
            made += at_leaf(operator, operator.input, (), node)
        elif isinstance(operator, Window):
            if not node.keys:
                made += whole_order(operator)
            for leaf in restricted_leaves(operator.input):
                made += at_leaf(leaf, leaf.input, operator.order, node, operator.input)  # type: ignore[arg-type]
    return made


def restricted_leaves(plan: Plan) -> list[Filter]:
    """The filters on the scans below row-wise operators, one for each branch of a union."""
    if isinstance(plan, UnionAll):
        return [leaf for branch in plan.inputs for leaf in restricted_leaves(branch)]
    if isinstance(plan, Filter) and isinstance(plan.input, Scan):
        return [plan]
    below = getattr(plan, "input", None)
    return restricted_leaves(below) if below is not None else []


def at_leaf(
    restriction: Filter, scan: Scan, order: tuple[exp.Expr, ...], node: Node, over: Plan | None = None
) -> list[Index]:
    """An index on the pinned columns of one scan, then on the columns of a top-N's order."""
    stored = dict(zip((a.name for a in scan.columns), scan.names, strict=True))
    by_key = {
        term.expression.name: stored[name]
        for term in restriction.predicate.find_all(exp.EQ)
        if isinstance(term.expression, exp.Column) and term.expression.table == "k"
        for name in references(term.this)
        if name in stored
    }
    pinned = [by_key[key] for key in node.keys if key in by_key]
    if not pinned:
        return []
    if node.nullable_key:
        row = ", ".join(quote(name) for name in pinned)
        whole = len(pinned) == len(node.keys)
        return [Index(scan.relation.name, (f"hash_record_extended(ROW({row}), 0)",))] if whole else []
    columns = [quote(name) for name in dict.fromkeys(pinned)]
    if over is not None:
        columns += order_at(over, scan, order)
    return [Index(scan.relation.name, tuple(columns))]


def order_at(plan: Plan, scan: Scan, order: tuple[exp.Expr, ...]) -> list[str]:
    """The order of a top-N over a plan as columns of one of its scans, as far as it has them."""
    columns = []
    for term in order:
        name = plain(term.this if isinstance(term, exp.Ordered) else term)
        found = origins(plan, name) if name is not None else frozenset()
        source = next((origin[1] for origin in found if origin and origin[0] == scan.instance), None)
        if source is None:
            break
        descending = isinstance(term, exp.Ordered) and term.args.get("desc")
        columns.append(quote(source) + (" DESC" if descending else ""))
    return columns


def whole_order(window: Window) -> list[Index]:
    """Indexes for a top-N over everything, in its order."""
    made = [(scan, order_at(window.input, scan, window.order)) for scan in scans(window.input)]
    return [Index(scan.relation.name, tuple(columns)) for scan, columns in made if columns]
