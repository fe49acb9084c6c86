"""Generated set operations: INTERSECT and EXCEPT, with and without ALL, mixed with UNION, ordered and limited."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    choose_item,
    conditions,
    sometimes,
    total_order,
    where_clause,
)
from tests.equivalence.scalars import expression, pick
from tests.equivalence.schema import Column
from tests.equivalence.values import SCALAR_TYPES

WORDS = ("intersect", "except", "intersect all", "except all")


def branch(writer: Statement, depth: int, types: list[str]) -> str:
    """One side of an operation; the casts make its types known."""
    draw = writer.draw
    item = choose_item(writer, depth)
    texts = [
        f"cast({expression(draw, item.scope, each, 1)} as {each}) as c{position}"
        for position, each in enumerate(types)
    ]
    return f"select {', '.join(texts)} from {item.sql}{where_clause(conditions(writer, item.scope))}"


def set_block(writer: Statement, depth: int) -> Query:
    """Two or three branches; the brackets say what comes first."""
    draw = writer.draw
    types = [pick(draw, SCALAR_TYPES) for _ in range(draw(st.integers(1, 2)))]
    sql = f"{branch(writer, depth, types)} {pick(draw, WORDS)} {branch(writer, depth, types)}"
    if sometimes(draw):
        word = pick(draw, (*WORDS, "union", "union all"))
        more = branch(writer, depth, types)
        sql = f"({sql}) {word} {more}" if draw(st.booleans()) else f"{more} {word} ({sql})"
    columns = tuple(Column(f"c{position}", each) for position, each in enumerate(types))
    if sometimes(draw):
        sql += f" order by {total_order(draw, [each.name for each in columns])} limit {pick(draw, ('1', '2', '3'))}"
    return Query(sql, columns)
