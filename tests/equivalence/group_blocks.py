"""Generated aggregations: GROUP BY with HAVING, global aggregates, DISTINCT, array_agg and unnest of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    conditions,
    derived,
    named,
    select,
    select_block,
    sometimes,
    total_order,
    where_clause,
)
from tests.equivalence.join_blocks import any_source
from tests.equivalence.scalars import Scoped, constant, expression, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import NUMBERS

Call = tuple[str, str, bool]
"""Text, type and exactness of an aggregate."""


def aggregate_call(draw: st.DrawFn, scope: Sequence[Scoped], *, invertible: bool) -> Call:
    """One aggregate, sometimes with FILTER, sometimes inside an expression."""
    text, type_name, exact = _plain_call(draw, scope, invertible=invertible)
    if sometimes(draw):
        text += f" filter (where {predicate(draw, scope, 1)})"
    if type_name == "bigint" and draw(st.sampled_from((False, False, False, True))):
        return f"coalesce({text}, 0) + count(*)", type_name, exact
    return text, type_name, exact


def _plain_call(draw: st.DrawFn, scope: Sequence[Scoped], *, invertible: bool) -> Call:
    comparable = [each for each in scope if each.column.comparable]
    numbers = [each for each in scope if each.column.type in NUMBERS]
    ordered = [each for each in comparable if each.column.type != "boolean"]
    texts = [each for each in comparable if each.column.type == "varchar"]
    integers = [each for each in comparable if each.column.type == "integer"]
    kinds = ["count_star"] + (["count"] if comparable else []) + (["sum", "sum", "avg"] if numbers else [])
    if not invertible:
        kinds += ["count_distinct", "bool_or"] if comparable else []
        kinds += ["min", "max"] if ordered else []
        kinds += ["string_agg"] if texts else []
        kinds += ["bits", "sum_distinct", "spread"] if integers else []
    kind = pick(draw, kinds)
    if kind == "count_star":
        return "count(*)", "bigint", True
    if kind in ("sum", "avg"):
        return _sum_or_avg(draw, scope, numbers, kind)
    if kind == "bool_or":
        return f"{pick(draw, ('bool_or', 'bool_and'))}({predicate(draw, scope, 1)})", "boolean", True
    if kind in ("bits", "sum_distinct", "spread"):
        argument = draw(st.sampled_from(integers)).text
        if kind == "bits":
            return f"{pick(draw, ('bit_and', 'bit_or'))}({argument})", "integer", True
        if kind == "sum_distinct":
            return f"sum(distinct {argument})", "bigint", True
        name = pick(draw, ("stddev", "stddev_pop", "variance", "var_pop"))
        return f"{name}({argument})", "numeric", False
    if kind == "string_agg":
        order = total_order(draw, [each.text for each in comparable])
        return f"string_agg({draw(st.sampled_from(texts)).text}, ',' order by {order})", "varchar", True
    if kind in ("min", "max"):
        chosen = draw(st.sampled_from(ordered))
        return f"{kind}({chosen.text})", chosen.column.type, True
    distinct = "distinct " if kind == "count_distinct" else ""
    return f"count({distinct}{draw(st.sampled_from(comparable)).text})", "bigint", True


def _sum_or_avg(draw: st.DrawFn, scope: Sequence[Scoped], numbers: Sequence[Scoped], kind: str) -> Call:
    if sometimes(draw):
        argument, source, exact = expression(draw, scope, "integer", 1), "integer", True
    else:
        chosen = draw(st.sampled_from(numbers))
        argument, source, exact = chosen.text, chosen.column.type, chosen.column.exact
    if source == "double precision":
        return f"{kind}({argument})", source, False
    if kind == "avg":
        return f"avg({argument})", "numeric", False
    return f"sum({argument})", "bigint" if source == "integer" else "numeric", exact


def aggregates(writer: Statement, scope: Sequence[Scoped], first: int) -> tuple[list[str], list[Column]]:
    """One to three aggregates; half of the time only such as can take a row away again (count, sum, avg)."""
    texts, columns = [], []
    invertible = writer.draw(st.booleans())
    for position in range(first, first + writer.draw(st.integers(1, 3))):
        text, type_name, exact = aggregate_call(writer.draw, scope, invertible=invertible)
        texts.append(f"{text} as c{position}")
        columns.append(Column(f"c{position}", type_name, exact))
    return texts, columns


def aggregate_block(writer: Statement, depth: int) -> Query:
    """GROUP BY columns or expressions of them, sometimes with HAVING."""
    draw = writer.draw
    source = any_source(writer, depth)
    comparable = source.comparable()
    if not comparable:
        return global_block(writer, depth)
    keys: dict[str, Column] = {}
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        chosen = draw(st.sampled_from(comparable))
        expressed = draw(st.sampled_from((False, False, False, True)))
        keys.setdefault(_key_expression(draw, chosen) if expressed else chosen.text, chosen.column)
    texts = [f"{text} as c{position}" for position, text in enumerate(keys)]
    columns = [Column(f"c{position}", column.type) for position, column in enumerate(keys.values())]
    more_texts, more_columns = aggregates(writer, source.scope, len(texts))
    where = where_clause(conditions(writer, source.scope))
    having = f" having {_having(draw, source.scope)}" if sometimes(draw) else ""
    return Query(
        f"select {', '.join([*texts, *more_texts])} from {source.sql}{where} group by {', '.join(keys)}{having}",
        (*columns, *more_columns),
    )


def _having(draw: st.DrawFn, scope: Sequence[Scoped]) -> str:
    chosen = draw(st.sampled_from([each for each in scope if each.column.comparable]))
    return pick(
        draw,
        ("count(*) > 1", "count(*) <= 1", f"count({chosen.text}) > 0", f"count(distinct {chosen.text}) = 1"),
    )


def _key_expression(draw: st.DrawFn, chosen: Scoped) -> str:
    if chosen.column.type == "timestamptz":
        return f"date_trunc('hour', {chosen.text})"
    return f"coalesce({chosen.text}, {constant(draw, chosen.column.type)})"


def global_block(writer: Statement, depth: int) -> Query:
    """Aggregates without GROUP BY: always one row."""
    source = any_source(writer, depth)
    texts, columns = aggregates(writer, source.scope, 0)
    where = where_clause(conditions(writer, source.scope))
    return Query(f"select {', '.join(texts)} from {source.sql}{where}", tuple(columns), single=True)


def distinct_block(writer: Statement, depth: int) -> Query:
    source = any_source(writer, depth)
    query = select(writer, source.sql, source.scope, conditions(writer, source.scope), only_comparable=True)
    columns = tuple(replace(column, image=False) for column in query.columns)
    return Query(query.sql.replace("select ", "select distinct ", 1), columns)


def array_block(writer: Statement, depth: int) -> Query:
    """array_agg with a total order, per group."""
    draw = writer.draw
    source = any_source(writer, depth)
    comparable = [each for each in source.comparable() if each.column.type != "numeric"]
    if not comparable:
        return select_block(writer, depth)
    key, gathered = draw(st.sampled_from(comparable)), draw(st.sampled_from(comparable))
    order = total_order(draw, [each.text for each in comparable])
    tail = f" filter (where {predicate(draw, source.scope, 1)})" if sometimes(draw) else ""
    where = where_clause(conditions(writer, source.scope))
    return Query(
        f"select {key.text} as c0, array_agg({gathered.text} order by {order}){tail} as c1, count(*) as c2"
        f" from {source.sql}{where} group by {key.text}",
        (Column("c0", key.column.type), Column("c1", f"{gathered.column.type}[]"), Column("c2", "bigint")),
    )


def unnest_block(writer: Statement, depth: int) -> Query:
    """unnest of an array that a view below, or a subquery here, gathered."""
    draw = writer.draw
    with_array = [each for each in writer.relations if any(c.type.endswith("[]") for c in each.columns)]
    if with_array and draw(st.booleans()):
        relation = draw(st.sampled_from(with_array))
        item = named(writer, relation.name, relation.columns)
    else:
        query = array_block(writer, max(depth - 1, 0))
        if not any(column.type.endswith("[]") for column in query.columns):
            return query
        item = derived(writer, query)
    array = draw(st.sampled_from([each for each in item.scope if each.column.type.endswith("[]")]))
    alias = writer.alias("u")
    element = Column("element", array.column.type.removesuffix("[]"))
    scope = [*item.scope, Scoped(f"{alias}.element", element)]
    call = f"unnest({array.text}) as {alias}(element)"
    if draw(st.booleans()):
        call = f"unnest({array.text}) with ordinality as {alias}(element, position)"
        scope.append(Scoped(f"{alias}.position", Column("position", "bigint")))
    return select(writer, f"{item.sql} cross join {call}", scope, conditions(writer, scope))
