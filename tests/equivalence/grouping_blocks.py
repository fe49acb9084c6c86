"""Generated GROUPING SETS, ROLLUP and CUBE, and window functions over groups."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    conditions,
    select_block,
    sometimes,
    where_clause,
)
from tests.equivalence.group_blocks import aggregates
from tests.equivalence.join_blocks import any_source
from tests.equivalence.scalars import constant, pick
from tests.equivalence.schema import Column


def grouping_sets_block(writer: Statement, depth: int) -> Query:
    """One or two keys in several grouping sets; keys may be expressions whose type only PostgreSQL knows."""
    draw = writer.draw
    source = any_source(writer, depth)
    comparable = source.comparable()
    if not comparable:
        return select_block(writer, depth)
    chosen = draw(st.lists(st.sampled_from(comparable), min_size=1, max_size=2, unique=True))
    keys = [
        f"coalesce({each.text}, {constant(draw, each.column.type)})" if sometimes(draw) else each.text
        for each in chosen
    ]
    first, last = keys[0], keys[-1]
    forms = [
        f"rollup ({', '.join(keys)})",
        f"cube ({', '.join(keys)})",
        f"grouping sets (({', '.join(keys)}), ({last}), ())",
        f"grouping sets (({first}), ({last}))",
    ]
    if len(keys) == 2:
        forms.append(f"{first}, rollup ({last})")
    texts = [f"{text} as c{position}" for position, text in enumerate(keys)]
    columns = [Column(f"c{position}", each.column.type) for position, each in enumerate(chosen)]
    if draw(st.booleans()):
        texts.append(f"grouping({', '.join(keys)}) as c{len(texts)}")
        columns.append(Column(f"c{len(columns)}", "integer"))
    more_texts, more_columns = aggregates(writer, source.scope, len(texts))
    having = pick(draw, (" having count(*) > 1", " having count(*) <= 2")) if sometimes(draw) else ""
    where = where_clause(conditions(writer, source.scope))
    return Query(
        f"select {', '.join([*texts, *more_texts])} from {source.sql}{where} group by {pick(draw, forms)}{having}",
        (*columns, *more_columns),
    )


def group_window_block(writer: Statement, depth: int) -> Query:
    """Window functions over the aggregates of groups."""
    draw = writer.draw
    source = any_source(writer, depth)
    comparable = source.comparable()
    if not comparable:
        return select_block(writer, depth)
    key, other = draw(st.sampled_from(comparable)).text, draw(st.sampled_from(comparable)).text
    calls = {
        "sum(count(*)) over (order by {key})": "numeric",
        "rank() over (order by count(*) desc)": "bigint",
        "max(count({other})) over ()": "bigint",
        "row_number() over (order by count(*), {key})": "bigint",
        "lag(count(*)) over (order by {key} desc)": "bigint",
    }
    chosen = draw(st.lists(st.sampled_from(list(calls)), min_size=1, max_size=2, unique=True))
    texts = [f"{call.format(key=key, other=other)} as c{number}" for number, call in enumerate(chosen, 2)]
    where = where_clause(conditions(writer, source.scope))
    columns = [Column(f"c{number}", calls[call]) for number, call in enumerate(chosen, 2)]
    return Query(
        f"select {key} as c0, count(*) as c1, {', '.join(texts)} from {source.sql}{where} group by {key}",
        (
            Column("c0", next(each.column.type for each in comparable if each.text == key)),
            Column("c1", "bigint"),
            *columns,
        ),
    )
