"""Which indexes a node's statements need on the relations that it reads."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.delta.dynamic_filter import compared
from millstream.delta.node import Node, Rule
from millstream.emit.names import quote
from millstream.plan.expression import column, equalities, plain, references
from millstream.plan.lineage import source_of
from millstream.plan.nodes import Aggregate, Filter, Join, Plan, Scan, TimeFilter, Window, names, walk
from millstream.plan.restrict import restrict


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
    if node.rule is Rule.KEYED:
        found.update(dict.fromkeys(for_keys(node)))
    return list(found)


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
    pairs = equalities(join.on, names(join.left), names(join.right))
    nearest = [plain(term.this) for term in join.nearest[:1]]
    sides = [(join.right, [plain(b) for _, b in pairs] + nearest)]
    if not join.process_time:
        sides.append((join.left, [plain(a) for a, _ in pairs]))
    found = compared(join)
    if found is not None:
        sides.append((join.left, [plain(found[0])]))
    made = []
    for side, columns in sides:
        sources = [source_of(side, name) for name in columns if name is not None]
        known = [source for source in sources if source is not None]
        for scan in {source[0].instance: source[0] for source in known}.values():
            mine = tuple(
                dict.fromkeys(quote(stored) for leaf, stored in known if leaf.instance == scan.instance)
            )
            made.append(Index(scan.relation.name, mine))
    return made


def for_keys(node: Node) -> list[Index]:
    """The leaves that recomputing a key reads, by that key, in the order of a top-N where there is one."""
    found = dict(node.outputs)
    keys: dict[str, exp.Expr] = {found[key].name: column(key, "k") for key in node.keys}
    made = []
    for operator in walk(restrict(node.plan, keys)):
        if isinstance(operator, Filter) and isinstance(operator.input, Scan):
            made += at_leaf(operator, operator.input, (), node)
        elif isinstance(operator, Window):
            below: Plan = operator.input
            while not isinstance(below, Scan) and not isinstance(below, (Join,)) and hasattr(below, "input"):
                if isinstance(below, Filter) and isinstance(below.input, Scan):
                    made += at_leaf(below, below.input, operator.order, node, operator.input)
                    break
                below = below.input
    return made


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
    for term in order:
        ordered = term.this if isinstance(term, exp.Ordered) else term
        source = source_of(over, plain(ordered) or "") if over is not None and plain(ordered) else None
        if source is None or source[0].instance != scan.instance:
            break
        descending = isinstance(term, exp.Ordered) and term.args.get("desc")
        columns.append(quote(source[1]) + (" DESC" if descending else ""))
    return [Index(scan.relation.name, tuple(columns))]
