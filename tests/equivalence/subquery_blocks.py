"""Generated subqueries in expressions: NOT IN, EXISTS and IN as values, scalar subqueries, comparisons with one row."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Item,
    Query,
    Statement,
    choose_item,
    conditions,
    select,
    select_block,
    sometimes,
    where_clause,
)
from tests.equivalence.join_blocks import any_source, equal_pairs
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL


def correlation(writer: Statement, outer: Item, inner: Item) -> list[str]:
    """One equality with the query around, or none."""
    pairs = equal_pairs(inner, outer)
    if not pairs or not writer.draw(st.booleans()):
        return []
    a, b = writer.draw(st.sampled_from(pairs))
    return [f"{a.text} = {b.text}"]


def membership(writer: Statement, outer: Item, depth: int, words: tuple[str, ...]) -> str | None:
    """A test against a subquery, correlated or not; None where the two have no type in common."""
    draw = writer.draw
    inner = choose_item(writer, depth)
    where = [*correlation(writer, outer, inner), *conditions(writer, inner.scope)]
    word = pick(draw, words)
    if word.endswith("exists"):
        return f"{word} (select 1 from {inner.sql}{where_clause(where)})"
    pairs = equal_pairs(outer, inner)
    if not pairs:
        return None
    a, b = draw(st.sampled_from(pairs))
    return f"{a.text} {word} (select {b.text} from {inner.sql}{where_clause(where)})"


def not_in_block(writer: Statement, depth: int) -> Query:
    """NOT IN, or [NOT] EXISTS that may not be correlated, as a conjunct of WHERE."""
    outer = any_source(writer, depth)
    clause = membership(writer, outer, depth, ("not in", "not in", "exists", "not exists"))
    if clause is None:
        return select_block(writer, depth)
    return select(writer, outer.sql, outer.scope, [clause, *conditions(writer, outer.scope)])


def membership_block(writer: Statement, depth: int) -> Query:
    """EXISTS and IN where they are values: in the SELECT list, under OR, in CASE."""
    draw = writer.draw
    outer = choose_item(writer, depth)
    clause = membership(writer, outer, depth, ("in", "not in", "exists", "not exists"))
    if clause is None:
        return select_block(writer, depth)
    place = pick(draw, ("select", "or", "case"))
    if place == "or":
        where = [f"({clause} or {predicate(draw, outer.scope, 1)})"]
        return select(writer, outer.sql, outer.scope, where)
    value = (
        clause
        if place == "select"
        else f"case when {clause} then 1 when {predicate(draw, outer.scope, 1)} then 2 end"
    )
    return with_value(writer, outer, f"({value})", "boolean" if place == "select" else "integer")


def with_value(writer: Statement, outer: Item, text: str, type_name: str) -> Query:
    """Columns of an item and one more."""
    query = select(writer, outer.sql, outer.scope, [])
    name = f"c{len(query.columns)}"
    listing = query.sql.removesuffix(f" from {outer.sql}")
    where = where_clause(conditions(writer, outer.scope))
    return Query(
        f"{listing}, {text} as {name} from {outer.sql}{where}", (*query.columns, Column(name, type_name))
    )


def ordered(scope: tuple[Scoped, ...]) -> list[Scoped]:
    """The columns that have a least and a greatest value in every engine."""
    return [each for each in scope if each.column.comparable and each.column.type != "boolean"]


def scalar(writer: Statement, outer: Item, depth: int) -> tuple[str, str] | None:
    """A scalar subquery and its type: an aggregate, or the first of an order; correlated or not."""
    draw = writer.draw
    inner = choose_item(writer, depth)
    where = where_clause([*correlation(writer, outer, inner), *conditions(writer, inner.scope)])
    columns = ordered(inner.scope)
    kind = pick(draw, ("count", "max", "first", "empty"))
    if kind == "count" or not columns:
        counted = pick(draw, ("*", *(each.text for each in columns)))
        return f"(select count({counted}) from {inner.sql}{where})", "bigint"
    chosen = draw(st.sampled_from(columns))
    if kind == "first":
        return (
            f"(select {chosen.text} from {inner.sql}{where} order by {chosen.text} desc nulls last limit 1)",
            chosen.column.type,
        )
    if kind == "max":
        return (
            f"(select {pick(draw, ('min', 'max'))}({chosen.text}) from {inner.sql}{where})",
            chosen.column.type,
        )
    return f"(select coalesce(count({chosen.text}), 0) + 1 from {inner.sql}{where})", "bigint"


def scalar_block(writer: Statement, depth: int) -> Query:
    """A scalar subquery in the SELECT list."""
    outer = any_source(writer, depth)
    found = scalar(writer, outer, depth)
    assert found is not None
    text, type_name = found
    return with_value(writer, outer, text, type_name)


def bound_block(writer: Statement, depth: int) -> Query:
    """A column compared with a scalar subquery in WHERE: a dynamic filter where it is not correlated."""
    draw = writer.draw
    outer = choose_item(writer, depth)
    found = scalar(writer, outer, depth)
    assert found is not None
    text, type_name = found
    sides = [
        each
        for each in outer.comparable()
        if each.column.type == type_name or {each.column.type, type_name} <= INTEGRAL
    ]
    if not sides:
        return with_value(writer, outer, text, type_name)
    side = draw(st.sampled_from(sides)).text
    operator = pick(draw, (">", ">=", "<", "<=", "=", "<>"))
    test = f"{side} {operator} {text}" if not sometimes(draw) else f"{text} {operator} {side}"
    return select(writer, outer.sql, outer.scope, [test, *conditions(writer, outer.scope)])


def having_block(writer: Statement, depth: int) -> Query:
    """HAVING, and the SELECT list of a grouping, with subqueries that may read the group's key."""
    draw = writer.draw
    outer = choose_item(writer, depth)
    keys = outer.comparable()
    if not keys:
        return select_block(writer, depth)
    key = draw(st.sampled_from(keys))
    group = Item(outer.sql, outer.alias, (key,))
    found = scalar(writer, group, depth)
    assert found is not None
    text, type_name = found
    columns = (Column("c0", key.column.type), Column("c1", "bigint"))
    sql = f"select {key.text} as c0, count(*) as c1 from {outer.sql} group by {key.text}"
    if type_name in INTEGRAL:
        return Query(f"{sql} having count(*) {pick(draw, ('>', '<=', '='))} {text}", columns)
    sql = sql.replace("count(*) as c1", f"count(*) as c1, {text} as c2", 1)
    return Query(sql, (*columns, Column("c2", type_name)))
