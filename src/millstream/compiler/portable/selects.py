"""Refuse what RisingWave has not in the clauses of a SELECT: some LIMITs, keys of type jsonb, subqueries of groups."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.binder.scope import Catalog
from millstream.compiler.dialect import write
from millstream.compiler.portable.jsonb import is_jsonb, jsonb_columns
from millstream.compiler.syntax.aggregate_calls import is_aggregate
from millstream.compiler.syntax.reads import items, means
from millstream.diagnostics import refuse
from millstream.errors import Refused


def of_select(select: exp.Select, catalog: Catalog, path: str | None) -> Iterator[Refused]:
    """LIMIT and OFFSET, keys of type jsonb, and subqueries where RisingWave has none."""
    if not select.expressions:
        yield refuse("MS082", select, "", path)
    limit, offset = select.args.get("limit"), select.args.get("offset")
    if offset is not None and limit is None:
        yield refuse("MS062", offset, "OFFSET without LIMIT", path)
    if isinstance(limit, exp.Limit) and limit.expression.name == "0":
        yield refuse("MS062", limit, "LIMIT 0", path)
    json = jsonb_columns(select, catalog)
    group = select.args.get("group")
    keys = list(group.expressions) if group is not None else []
    keys += [term for window in select.find_all(exp.Window) for term in window.args.get("partition_by") or []]
    apart = isinstance(select.parent, exp.SetOperation) and select.parent.args.get("distinct") is not False
    if select.args.get("distinct") or apart:
        keys += [item.unalias() for item in select.expressions]
    for key in keys:
        if is_jsonb(key, json):
            yield refuse("MS061", key, write(key), path)
    if group is not None or select.args.get("having") or any(aggregates(item) for item in select.expressions):
        outside = items(select)
        places = [*select.expressions, *([select.args["having"]] if select.args.get("having") else [])]
        for query in (found for part in places for found in part.find_all(exp.Query)):
            own = [name for inner in query.find_all(exp.Select) for name in items(inner)]
            read = [column for column in query.find_all(exp.Column) if not means(own, column)]
            if any(means(outside, column) for column in read):
                yield refuse("MS067", query, "an aggregation, correlated,", path)


def aggregates(item: exp.Expr) -> bool:
    """Tell whether an item of the SELECT list aggregates rows of its own query."""
    found = item.walk(prune=lambda node: isinstance(node, (exp.Query, exp.Window)))
    return any(is_aggregate(node) for node in found)
