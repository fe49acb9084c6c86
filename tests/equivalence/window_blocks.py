"""Generated window functions with frames, several OVER clauses in one SELECT, and DISTINCT ON."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    choose_item,
    conditions,
    derived,
    select_block,
    sometimes,
    total_order,
    where_clause,
)
from tests.equivalence.rank_blocks import carried, partition
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL

ROWS = (
    "rows unbounded preceding",
    "rows between 1 preceding and 1 following",
    "rows between current row and unbounded following",
    "rows between 2 preceding and 1 preceding",
    "rows between unbounded preceding and unbounded following exclude current row",
)
PEERS = (
    "",
    "range between unbounded preceding and unbounded following",
    "groups between 1 preceding and current row",
    "range between current row and unbounded following",
)


def frames_block(writer: Statement, depth: int) -> Query:
    """One to three window functions, each over a window of its own.

    Several functions see distinct rows: which of two equal rows gets the first result of each would be left open.
    """
    draw = writer.draw
    item = choose_item(writer, depth)
    if not item.comparable():
        return select_block(writer, depth)
    count = draw(st.integers(1, 3))
    if count > 1:
        inner, kept = carried(item.comparable())
        item = derived(writer, Query(f"select distinct {inner} from {item.sql}", kept))
    comparable = item.comparable()
    listing, columns = carried(comparable)
    texts: list[str] = []
    for position in range(count):
        text, type_name, exact = _function(draw, comparable)
        name = f"c{len(columns)}"
        texts.append(f"{text.replace(' over w', f' over w{position}')} as {name}")
        columns = (*columns, Column(name, type_name, exact))
    named = ", ".join(
        f"w{position} as ({partition(draw, comparable)}order by {total_order(draw, [e.text for e in comparable])})"
        for position, text in enumerate(texts)
        if f" over w{position}" in text
    )
    where = where_clause(conditions(writer, item.scope))
    clause = f" window {named}" if named else ""
    return Query(f"select {listing}, {', '.join(texts)} from {item.sql}{where}{clause}", columns)


def ignore_nulls_block(writer: Statement, depth: int) -> Query:
    """first_value and last_value IGNORE NULLS, which PostgreSQL has not."""
    draw = writer.draw
    item = choose_item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return select_block(writer, depth)
    listing, columns = carried(comparable)
    chosen = draw(st.sampled_from(comparable))
    order = total_order(draw, [each.text for each in comparable])
    over = f"over ({partition(draw, comparable)}order by {order} {pick(draw, ROWS[:3])})"
    known = f"array_remove(array_agg({chosen.text}) {over}, null)"
    kind = pick(draw, ("first_value", "last_value"))
    text = f"{kind}({chosen.text} ignore nulls) {over}"
    place = "1" if kind == "first_value" else f"cardinality({known})"
    writer.rewrites[text] = f"({known})[{place}]"
    name = f"c{len(columns)}"
    where = where_clause(conditions(writer, item.scope))
    return Query(
        f"select {listing}, {text} as {name} from {item.sql}{where}",
        (*columns, Column(name, chosen.column.type)),
    )


def _function(draw: st.DrawFn, comparable: Sequence[Scoped]) -> tuple[str, str, bool]:
    """A window function with its OVER: over a total order where rows that tie would matter."""
    total = total_order(draw, [each.text for each in comparable])
    parts = partition(draw, comparable)
    chosen = draw(st.sampled_from(comparable))
    kind = pick(draw, ("aggregate", "value", "offset", "share", "range", "whole"))
    if kind == "aggregate":
        call, type_name, exact = _aggregate(draw, comparable)
        if draw(st.booleans()):
            return f"{call} over ({parts}order by {total} {pick(draw, ROWS)})", type_name, exact
        return f"{call} over ({parts}order by {chosen.text} {pick(draw, PEERS)})", type_name, exact
    if kind == "value":
        call = pick(draw, ("first_value({0})", "last_value({0})", "nth_value({0}, 2)")).format(chosen.text)
        return f"{call} over ({parts}order by {total} {pick(draw, ROWS)})", chosen.column.type, True
    if kind == "offset":
        call = f"{pick(draw, ('lag', 'lead'))}({chosen.text}, 2, {chosen.text})"
        return f"{call} over w", chosen.column.type, True
    if kind == "share":
        call = pick(draw, ("percent_rank()", "cume_dist()", "ntile(2)"))
        ordering = total if call == "ntile(2)" else chosen.text
        exact = call == "ntile(2)"
        return f"{call} over ({parts}order by {ordering})", "integer" if exact else "double precision", exact
    instants = [each for each in comparable if each.column.type == "timestamptz"]
    call, type_name, exact = _aggregate(draw, comparable)
    if kind == "range" and instants:
        frame = "range between interval '1 hour' preceding and current row"
        return (
            f"{call} over ({parts}order by {draw(st.sampled_from(instants)).text} {frame})",
            type_name,
            exact,
        )
    return f"{call} over ({parts.strip()})", type_name, exact


def _aggregate(draw: st.DrawFn, comparable: Sequence[Scoped]) -> tuple[str, str, bool]:
    numbers = [each for each in comparable if each.column.type in INTEGRAL]
    ordered = [each for each in comparable if each.column.type != "boolean"]
    kinds = ["count"] + (["min", "max"] if ordered else []) + (["sum", "avg"] if numbers else [])
    kind = pick(draw, kinds)
    if kind == "count":
        tail = f" filter (where {predicate(draw, comparable, 1)})" if sometimes(draw) else ""
        return f"count(*){tail}", "bigint", True
    chosen = draw(st.sampled_from(numbers if kind in ("sum", "avg") else ordered))
    if kind == "avg":
        return f"avg({chosen.text})", "numeric", False
    return f"{kind}({chosen.text})", "numeric" if kind == "sum" else chosen.column.type, True


def distinct_on_block(writer: Statement, depth: int) -> Query:
    """DISTINCT ON: the first row of each group in a total order."""
    draw = writer.draw
    item = choose_item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return select_block(writer, depth)
    chosen = draw(st.lists(st.sampled_from(comparable), min_size=1, max_size=2, unique=True))
    rest = [each.text for each in comparable if each not in chosen] or [chosen[0].text]
    order = ", ".join(
        [*(f"{each.text}{pick(draw, ('', ' desc'))}" for each in chosen), total_order(draw, rest)]
    )
    listing, columns = carried(comparable)
    where = where_clause(conditions(writer, item.scope))
    on = ", ".join(each.text for each in chosen)
    return Query(f"select distinct on ({on}) {listing} from {item.sql}{where} order by {order}", columns)
