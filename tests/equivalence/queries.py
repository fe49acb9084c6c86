"""Generated SELECT statements by construct: the algebra that the engine maintains, as text in RisingWave's dialect."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.equivalence import (
    call_blocks,
    group_blocks,
    grouping_blocks,
    identity_blocks,
    join_blocks,
    list_blocks,
    ordered_blocks,
    outer_blocks,
    rank_blocks,
    repeat_blocks,
    set_blocks,
    subquery_blocks,
    time_blocks,
    window_blocks,
)
from tests.equivalence.blocks import Builder, Query, Relation, Statement, nested, select_block

BUILDERS: dict[str, Builder] = {
    "select": select_block,
    "join": join_blocks.join_block,
    "aggregate": group_blocks.aggregate_block,
    "left_join": join_blocks.left_join_block,
    "self_join": join_blocks.self_join_block,
    "unnamed": join_blocks.unnamed_block,
    "global_aggregate": group_blocks.global_block,
    "top_n": rank_blocks.top_n_block,
    "union_all": rank_blocks.union_all_block,
    "exists": join_blocks.exists_block,
    "distinct": group_blocks.distinct_block,
    "array_agg": group_blocks.array_block,
    "unnest": group_blocks.unnest_block,
    "temporal": join_blocks.temporal_block,
    "in": join_blocks.in_block,
    "comma_join": join_blocks.comma_join_block,
    "window": rank_blocks.window_block,
    "limit": rank_blocks.limit_block,
    "union_top_n": rank_blocks.union_top_n_block,
    "union": rank_blocks.union_block,
    "outer_join": join_blocks.outer_join_block,
    "using": join_blocks.using_block,
    "lateral": join_blocks.lateral_block,
    "asof": join_blocks.asof_block,
    "one_row": join_blocks.one_row_block,
    "stored_row": join_blocks.stored_row_block,
    "set": set_blocks.set_block,
    "not_in": subquery_blocks.not_in_block,
    "membership": subquery_blocks.membership_block,
    "scalar": subquery_blocks.scalar_block,
    "bound": subquery_blocks.bound_block,
    "having": subquery_blocks.having_block,
    "outer_value": outer_blocks.outer_value_block,
    "outer_rows": outer_blocks.outer_rows_block,
    "ordered_aggregate": ordered_blocks.ordered_block,
    "grouping_sets": grouping_blocks.grouping_sets_block,
    "group_window": grouping_blocks.group_window_block,
    "frames": window_blocks.frames_block,
    "distinct_on": window_blocks.distinct_on_block,
    "time_window": time_blocks.time_window_block,
    "clock": time_blocks.clock_block,
    "repeated": repeat_blocks.repeated_block,
}
"""Name of a construct → what writes a query with it. The simplest come first: that is where Hypothesis shrinks to."""

POSTGRES_BUILDERS: dict[str, Builder] = {
    "postgres_aggregate": ordered_blocks.postgres_block,
    "calls": call_blocks.calls_block,
    **identity_blocks.BUILDERS,
    "gathered": outer_blocks.gathered_block,
    "function": list_blocks.function_block,
    "in_step": list_blocks.in_step_block,
    "of_row": list_blocks.of_row_block,
    "ignore_nulls": window_blocks.ignore_nulls_block,
}
"""Constructs that only PostgreSQL can check."""


def statement(draw: st.DrawFn, relations: Sequence[Relation], kinds: Sequence[str], depth: int) -> Query:
    """A whole statement over `relations`; `kinds` are the names of the constructs that it may use."""
    writer = Statement(draw, relations, [{**BUILDERS, **POSTGRES_BUILDERS}[kind] for kind in kinds])
    query = nested(writer, depth)
    sql = writer.finish(query)
    return Query(sql, query.columns, writer.batch(sql), query.single)
