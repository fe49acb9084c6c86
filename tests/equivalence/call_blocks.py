"""Generated calls of many functions (calls.py), which only PostgreSQL can check."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import Query, Statement, choose_item, where_clause
from tests.equivalence.calls import RENAMED, TEMPLATES, call, settings
from tests.equivalence.lenient import rewritten
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column


def calls_block(writer: Statement, depth: int) -> Query:
    """Expressions over a relation and its settings, computed below or above a condition on one of them."""
    draw = writer.draw
    item = choose_item(writer, depth)
    alias = writer.alias("r")
    listing = ", ".join(f"{each.text} as {each.column.name}" for each in item.comparable())
    decided = settings(draw, predicate(draw, item.scope, 0))
    source = f"(select {', '.join(filter(None, (listing, decided)))} from {item.sql}) as {alias}"
    scope = tuple(Scoped(f"{alias}.{each.column.name}", each.column) for each in item.comparable())
    where = [call(draw, scope, alias, "boolean", 1)] if draw(st.booleans()) else []
    texts, columns = [], []
    for position in range(draw(st.integers(1, 8))):
        type_name = pick(draw, tuple(TEMPLATES))
        texts.append(f"{call(draw, scope, alias, type_name)} as c{position}")
        columns.append(Column(f"c{position}", type_name))
    sql = f"select {', '.join(texts)} from {source}{where_clause(where)}"
    writer.rewrites[sql] = rewritten(sql, RENAMED)
    return Query(sql, tuple(columns))
