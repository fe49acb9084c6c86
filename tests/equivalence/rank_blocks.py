"""Generated rankings and unions: ROW_NUMBER top-N, window functions, ORDER BY with LIMIT, UNION [ALL]."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    choose_item,
    conditions,
    select_block,
    sometimes,
    total_order,
    where_clause,
)
from tests.equivalence.scalars import Scoped, expression, pick
from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL, SCALAR_TYPES


def carried(comparable: Sequence[Scoped]) -> tuple[str, tuple[Column, ...]]:
    """Select all comparable columns, so that rows that tie in the order are equal."""
    columns = tuple(Column(f"c{position}", each.column.type) for position, each in enumerate(comparable))
    texts = (f"{each.text} as {column.name}" for each, column in zip(comparable, columns, strict=True))
    return ", ".join(texts), columns


def partition(draw: st.DrawFn, comparable: Sequence[Scoped]) -> str:
    """No, one or two columns to partition by."""
    chosen = draw(st.lists(st.sampled_from(comparable), max_size=2, unique=True))
    return f"partition by {', '.join(each.text for each in chosen)} " if chosen else ""


def top_n_block(writer: Statement, depth: int) -> Query:
    """ROW_NUMBER over a partition, cut at k."""
    draw = writer.draw
    item = choose_item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return select_block(writer, depth)
    listing, columns = carried(comparable)
    order = total_order(draw, [each.text for each in comparable])
    window = f"row_number() over ({partition(draw, comparable)}order by {order})"
    where = where_clause(conditions(writer, item.scope))
    inner = f"select {listing}, {window} as rn from {item.sql}{where}"
    alias = writer.alias()
    outer = ", ".join(f"{alias}.{column.name} as {column.name}" for column in columns)
    if draw(st.booleans()):
        outer += f", {alias}.rn as c{len(columns)}"
        columns = (*columns, Column(f"c{len(columns)}", "bigint"))
    cut = pick(draw, ("<= 1", "<= 2", "< 3", "= 1"))
    return Query(f"select {outer} from ({inner}) as {alias} where {alias}.rn {cut}", columns)


def union_top_n_block(writer: Statement, depth: int) -> Query:
    """ROW_NUMBER over the columns of several relations as they are, cut at k: each branch may be read from its best row."""
    draw = writer.draw
    items = [choose_item(writer, depth) for _ in range(3 if sometimes(draw) else 2)]
    shared = set.intersection(*({each.column.type for each in item.comparable()} for item in items))
    if not shared:
        return select_block(writer, depth)
    types = [pick(draw, sorted(shared)) for _ in range(2)]
    branches = []
    for item in items:
        chosen = [
            draw(st.sampled_from([each for each in item.comparable() if each.column.type == type_name]))
            for type_name in types
        ]
        listing = ", ".join(f"{each.text} as c{position}" for position, each in enumerate(chosen))
        branches.append(f"select {listing} from {item.sql}{where_clause(conditions(writer, item.scope))}")
    union, ranked = writer.alias(), writer.alias()
    columns = tuple(Column(f"c{position}", type_name) for position, type_name in enumerate(types))
    order = total_order(draw, [f"{union}.c0", f"{union}.c1"])
    over = pick(draw, (f"partition by {union}.c0 ", ""))
    inner = (
        f"select {union}.c0 as c0, {union}.c1 as c1, row_number() over ({over}order by {order}) as rn"
        f" from ({' union all '.join(branches)}) as {union}"
    )
    cut = pick(draw, ("<= 1", "<= 2", "< 3", "= 1"))
    return Query(
        f"select {ranked}.c0 as c0, {ranked}.c1 as c1 from ({inner}) as {ranked} where {ranked}.rn {cut}",
        columns,
    )


def window_block(writer: Statement, depth: int) -> Query:
    """rank, lag, lead and running aggregates; ranks with ties, the others over a total order."""
    draw = writer.draw
    item = choose_item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return select_block(writer, depth)
    listing, columns = carried(comparable)
    order = total_order(draw, [each.text for each in comparable])
    numbers = [each for each in comparable if each.column.type in INTEGRAL]
    chosen = draw(st.sampled_from(comparable))
    functions = {"lag": f"lag({chosen.text})", "lead": f"lead({chosen.text})", "count": "count(*)"}
    kinds = ["rank", "dense_rank", *functions] + (["sum"] if numbers else [])
    kind = pick(draw, kinds)
    type_name, frame = "bigint", ""
    if kind in ("rank", "dense_rank"):
        call, order = f"{kind}()", f"{chosen.text}{pick(draw, ('', ' desc'))}"
    elif kind == "sum":
        call = f"sum({draw(st.sampled_from(numbers)).text})"
        frame = pick(draw, ("", " rows between 1 preceding and current row"))
        type_name = "numeric"
    else:
        call = functions[kind]
        type_name = "bigint" if kind == "count" else chosen.column.type
    over = f"over ({partition(draw, comparable)}order by {order}{frame})"
    name = f"c{len(columns)}"
    where = where_clause(conditions(writer, item.scope))
    return Query(
        f"select {listing}, {call} {over} as {name} from {item.sql}{where}",
        (*columns, Column(name, type_name)),
    )


def limit_block(writer: Statement, depth: int) -> Query:
    """ORDER BY with LIMIT or OFFSET: a top-N of everything."""
    draw = writer.draw
    item = choose_item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return select_block(writer, depth)
    listing, columns = carried(comparable)
    order = total_order(draw, [each.text for each in comparable])
    where = where_clause(conditions(writer, item.scope))
    cut = pick(draw, ("limit 1", "limit 2", "limit 2 offset 1", "offset 2"))
    return Query(
        f"select {listing} from {item.sql}{where} order by {order} {cut}", columns, single=cut == "limit 1"
    )


def union_all_block(writer: Statement, depth: int) -> Query:
    return _union(writer, depth, " union all ")


def union_block(writer: Statement, depth: int) -> Query:
    return _union(writer, depth, " union ")


def _union(writer: Statement, depth: int, word: str) -> Query:
    """Two or three branches with the same types."""
    draw = writer.draw
    types = [pick(draw, SCALAR_TYPES) for _ in range(draw(st.integers(1, 3)))]
    branches = []
    for _ in range(3 if sometimes(draw) else 2):
        item = choose_item(writer, depth)
        texts = [f"{_typed(draw, item.scope, each)} as c{position}" for position, each in enumerate(types)]
        branches.append(
            f"select {', '.join(texts)} from {item.sql}{where_clause(conditions(writer, item.scope))}"
        )
    return Query(word.join(branches), tuple(Column(f"c{n}", each) for n, each in enumerate(types)))


def _typed(draw: st.DrawFn, scope: Sequence[Scoped], type_name: str) -> str:
    """An expression whose type is known to be `type_name` in all branches (a bare 'a' or null would not be)."""
    return f"cast({expression(draw, scope, type_name, 1)} as {type_name})"
