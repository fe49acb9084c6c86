"""Generated aggregates that depend on order: string_agg, array_agg, first_value, last_value, and those of jsonb."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    conditions,
    select_block,
    sometimes,
    total_order,
    where_clause,
)
from tests.equivalence.join_blocks import any_source
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column

Call = tuple[str, str, bool]  # text, type, exactness
MakeCall = Callable[[Statement, Sequence[Scoped]], Call]


def ordered_block(writer: Statement, depth: int) -> Query:
    """Ordered aggregates of a group, each with an order of its own."""
    return _grouped(writer, depth, _ordered_call)


def postgres_block(writer: Statement, depth: int) -> Query:
    """Aggregates that DuckDB has not, or computes otherwise: jsonb, percentiles, mode."""
    return _grouped(writer, depth, _postgres_call)


def _grouped(writer: Statement, depth: int, call: MakeCall) -> Query:
    draw = writer.draw
    source = any_source(writer, depth)
    comparable = source.comparable()
    if not comparable:
        return select_block(writer, depth)
    key = draw(st.sampled_from(comparable))
    texts, columns = [f"{key.text} as c0"], [Column("c0", key.column.type)]
    for position in range(1, draw(st.integers(2, 4))):
        text, type_name, exact = call(writer, comparable)
        texts.append(f"{text} as c{position}")
        columns.append(Column(f"c{position}", type_name, exact))
    where = where_clause(conditions(writer, source.scope))
    return Query(f"select {', '.join(texts)} from {source.sql}{where} group by {key.text}", tuple(columns))


def _tail(draw: st.DrawFn, comparable: Sequence[Scoped]) -> str:
    return f" filter (where {predicate(draw, comparable, 1)})" if sometimes(draw) else ""


def _ordered_call(writer: Statement, comparable: Sequence[Scoped]) -> Call:
    draw = writer.draw
    chosen = draw(st.sampled_from(comparable))
    order = total_order(draw, [each.text for each in comparable])
    tail = _tail(draw, comparable)
    kind = pick(draw, ("first_value", "last_value", "string_agg", "array_agg"))
    if kind in ("first_value", "last_value"):
        gathered = f"(array_agg({chosen.text} order by {order}){tail})"
        place = "1" if kind == "first_value" else f"cast(count(*){tail} as integer)"
        text = f"{kind}({chosen.text} order by {order}){tail}"
        writer.rewrites[text] = f"{gathered}[{place}]"
        return text, chosen.column.type, True
    if kind == "string_agg":
        inner, ordering = f"cast({chosen.text} as varchar)", order
        if sometimes(draw):
            inner, ordering = f"distinct {inner}", inner
        if chosen.column.type == "varchar":
            return f"string_agg({inner}, ',' order by {ordering}){tail}", "varchar", True
        return f"count(distinct {chosen.text}){tail}", "bigint", True
    if chosen.column.type == "numeric":
        return f"count(distinct {chosen.text}){tail}", "bigint", True
    return f"array_agg({chosen.text} order by {order}){tail}", f"{chosen.column.type}[]", True


def _postgres_call(writer: Statement, comparable: Sequence[Scoped]) -> Call:
    draw = writer.draw
    chosen = draw(st.sampled_from(comparable))
    order = total_order(draw, [each.text for each in comparable])
    tail = _tail(draw, comparable)
    numbers = [each for each in comparable if each.column.type in ("integer", "bigint")]
    kinds = ["jsonb_agg", "jsonb_object_agg", "percentile_disc", "mode", "approx_count_distinct"]
    kind = pick(draw, [*kinds, *(["percentile_cont"] if numbers else [])])
    if kind == "jsonb_agg":
        return f"jsonb_agg({chosen.text} order by {order}){tail}", "jsonb[]", True
    if kind == "jsonb_object_agg":
        name = f"coalesce(cast({chosen.text} as varchar), '')"
        return (
            f"jsonb_object_agg({name}, {draw(st.sampled_from(comparable)).text} order by {order}){tail}",
            "jsonb[]",
            True,
        )
    if kind == "approx_count_distinct":
        text = f"approx_count_distinct({chosen.text}){tail}"
        writer.rewrites[text] = f"count(distinct {chosen.text}){tail}"
        return text, "bigint", True
    direction = pick(draw, ("", " desc"))
    if kind == "percentile_cont":
        number = draw(st.sampled_from(numbers)).text
        return (
            f"percentile_cont(0.5) within group (order by {number}{direction}){tail}",
            "double precision",
            False,
        )
    within = f"within group (order by {chosen.text}{direction}){tail}"
    return (
        (f"mode() {within}" if kind == "mode" else f"percentile_disc(0.6) {within}"),
        chosen.column.type,
        True,
    )
