"""Generated subqueries that read the row outside anywhere: in aggregates, orders, windows, groups, at any depth.

An equality of WHERE ties each to the row outside, as streaming joins need it; everything else may read both rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    total_order,
    where_clause,
)
from tests.equivalence.join_blocks import any_source, equal_pairs
from tests.equivalence.scalars import Scoped, expression, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.subquery_blocks import with_value

Value = tuple[str, str]  # the text of a subquery that is one value, and its type
Made = Callable[[Statement, "Inside"], Value]


class Inside:
    """An item of a subquery, the row outside, and what ties them."""

    def __init__(self, writer: Statement, outer: Item, inner: Item, link: str) -> None:
        self.inner = inner
        self.both: Sequence[Scoped] = (*outer.scope, *inner.scope)
        self.where = [link, *conditions(writer, inner.scope)]
        self.comparable = [each for each in inner.comparable() if each.column.type != "boolean"]

    def source(self, *terms: str) -> str:
        """FROM and WHERE, with conditions more."""
        return f"from {self.inner.sql}{where_clause([*self.where, *terms])}"

    def order(self, draw: st.DrawFn) -> str:
        """An order that the row outside decides first, and that is total."""
        columns = total_order(draw, [each.text for each in self.inner.comparable()])
        own = draw(
            st.sampled_from(self.inner.comparable())
        ).text  # DuckDB 2.0 fails where the row outside alone decides
        return (
            f"({own} is not null and {predicate(draw, self.both, 1)}){pick(draw, ('', ' desc'))}, {columns}"
        )


def inside(writer: Statement, outer: Item, depth: int) -> Inside | None:
    """A subquery's item that an equality ties to the row outside; None where the two have no type in common."""
    inner = choose_item(writer, depth)
    pairs = equal_pairs(inner, outer)
    if not pairs or not inner.comparable():
        return None
    a, b = writer.draw(st.sampled_from(pairs))
    return Inside(writer, outer, inner, f"{a.text} = {b.text}")


def aggregated(writer: Statement, sub: Inside) -> Value:
    """An aggregate whose argument, or FILTER, reads both rows; one that reads the row outside alone is not the subquery's."""
    draw = writer.draw
    kind = pick(draw, ("count", "max", "filter", "conditions"))
    type_name = pick(draw, ("integer", "varchar"))
    own = draw(st.sampled_from(sub.inner.comparable())).text
    value = f"case when {own} is not null then {expression(draw, sub.both, type_name, 1)} end"
    if kind == "count":
        return f"(select count({value}) {sub.source()})", "bigint"
    if kind == "filter":
        return f"(select count({own}) filter (where {predicate(draw, sub.both, 1)}) {sub.source()})", "bigint"
    if kind == "conditions":
        return f"(select count(*) {sub.source(predicate(draw, sub.both, 1))})", "bigint"
    return f"(select cast({pick(draw, ('min', 'max'))}({value}) as {type_name}) {sub.source()})", type_name


def in_order(writer: Statement, sub: Inside) -> Value:
    """string_agg in an order that the row outside decides, or the first row in it."""
    draw = writer.draw
    chosen = draw(st.sampled_from(sub.inner.comparable()))
    order = sub.order(draw)
    if chosen.column.type == "varchar" and draw(st.booleans()):
        return f"(select string_agg({chosen.text}, ',' order by {order}) {sub.source()})", "varchar"
    return f"(select {chosen.text} {sub.source()} order by {order} limit 1)", chosen.column.type


def tested(writer: Statement, sub: Inside) -> Value:
    """EXISTS that compares both rows, HAVING over all rows, or IN of a value of both."""
    draw = writer.draw
    kind = pick(draw, ("exists", "having", "in"))
    test = predicate(draw, sub.both, 1)
    if kind == "exists":
        return f"exists (select 1 {sub.source(test)})", "boolean"
    if kind == "having":
        bound = pick(draw, ("0", "1"))
        return (
            f"exists (select count(*) {sub.source()} having count(*) {pick(draw, ('>', '='))} {bound})",
            "boolean",
        )
    value = expression(draw, sub.both, "varchar", 1)
    outer = expression(draw, sub.both[: len(sub.both) - len(sub.inner.scope)], "varchar", 0)
    return f"({outer} {pick(draw, ('in', 'not in'))} (select {value} {sub.source()}))", "boolean"


def further_in(writer: Statement, sub: Inside, outer: Item, depth: int) -> Value:
    """A subquery in the subquery, which reads both rows around it."""
    draw = writer.draw
    third = inside(writer, sub.inner, depth)
    if third is None:
        return aggregated(writer, sub)
    reach = (*outer.scope, *third.inner.scope)
    text = f"(select 1 {third.source(predicate(draw, reach, 1))})"
    word = pick(draw, ("exists", "not exists"))
    return f"(select count(*) {sub.source(f'{word} {text}')})", "bigint"


def united(writer: Statement, sub: Inside, outer: Item, depth: int) -> Value:
    """The rows of two subqueries together, in a derived table."""
    draw = writer.draw
    other = inside(writer, outer, depth)
    if other is None:
        return aggregated(writer, sub)
    values = [f"cast({expression(draw, each.both, 'integer', 1)} as bigint)" for each in (sub, other)]
    rows = f"select {values[0]} as x {sub.source()} union all select {values[1]} as x {other.source()}"
    alias = writer.alias("u")
    return f"(select {pick(draw, ('count', 'max'))}({alias}.x) from ({rows}) as {alias})", "bigint"


def outer_value_block(writer: Statement, depth: int) -> Query:
    """A value that a subquery computes with the row outside, in the SELECT list or in WHERE."""
    draw = writer.draw
    outer = any_source(writer, depth)
    sub = inside(writer, outer, depth)
    if sub is None:
        return select_block(writer, depth)
    kind = pick(draw, ("aggregated", "in_order", "tested", "further_in", "united"))
    makers: dict[str, Made] = {"aggregated": aggregated, "in_order": in_order, "tested": tested}
    if kind in makers:
        text, type_name = makers[kind](writer, sub)
    else:
        text, type_name = (further_in if kind == "further_in" else united)(writer, sub, outer, depth)
    if type_name == "boolean" and sometimes(draw):
        return select(writer, outer.sql, outer.scope, [text])
    return with_value(writer, outer, text, type_name)


def outer_rows_block(writer: Statement, depth: int) -> Query:
    """Rows that a LATERAL subquery computes with the row outside: ranked, grouped, distinct."""
    draw = writer.draw
    outer = any_source(writer, depth)
    sub = inside(writer, outer, depth)
    if sub is None:
        return select_block(writer, depth)
    type_name = pick(draw, ("integer", "varchar", "boolean"))
    value = f"cast({expression(draw, sub.both, type_name, 1)} as {type_name})"
    kind = pick(draw, ("top", "top", "all", "group", "distinct", "window"))
    columns = [Column("l0", type_name)]
    if kind == "group":
        columns.append(Column("l1", "bigint"))
        rows = f"select {value} as l0, count(*) as l1 {sub.source()} group by {value}"
        if sometimes(draw):
            rows += " having count(*) > 1"
    elif kind == "distinct":
        rows = f"select distinct {value} as l0 {sub.source()}"
    elif kind == "window":
        columns.append(Column("l1", "bigint"))
        rows = f"select {value} as l0, row_number() over (order by {sub.order(draw)}) as l1 {sub.source()}"
    else:
        chosen = draw(st.sampled_from(sub.inner.comparable()))
        columns.append(Column("l1", chosen.column.type))
        rows = f"select {value} as l0, {chosen.text} as l1 {sub.source()}"
        if kind == "top":
            order = (
                sub.order(draw)
                if draw(st.booleans())
                else total_order(draw, [each.text for each in sub.inner.comparable()])
            )
            rows += f" order by {order} limit {pick(draw, ('1', '2'))}"
    alias = writer.alias("l")
    scope = (*outer.scope, *(Scoped(f"{alias}.{column.name}", column) for column in columns))
    word, on = draw(st.sampled_from((("cross join", ""), ("left join", " on true"))))
    sql = f"{outer.sql} {word} lateral ({rows}) as {alias}{on}"
    where = [f"{alias}.l1 <= 2"] if kind == "window" and not on else []
    return select(writer, sql, scope, [*where, *conditions(writer, outer.scope)])


def gathered_block(writer: Statement, depth: int) -> Query:
    """array(SELECT …), in an order, cut off or not; an empty list where there are no rows."""
    draw = writer.draw
    outer = any_source(writer, depth)
    sub = inside(writer, outer, depth)
    if sub is None:
        return select_block(writer, depth)
    chosen = draw(st.sampled_from(sub.inner.comparable()))
    type_name = chosen.column.type
    value = chosen.text
    if type_name == "integer" and draw(st.booleans()):
        value = f"cast({expression(draw, sub.both, 'integer', 1)} as integer)"
    order = sub.order(draw) if draw(st.booleans()) else f"{value}"
    cut = pick(draw, ("", "", " limit 2")) if order != value else ""
    return with_value(
        writer, outer, f"array(select {value} {sub.source()} order by {order}{cut})", f"{type_name}[]"
    )
