"""Generated time windows (TUMBLE, HOP) and temporal filters by date_trunc, BETWEEN and shifted columns.

TUMBLE and HOP are RisingWave's; the oracles get the same windows from seconds since 1970.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Item,
    Query,
    Relation,
    Statement,
    instants,
    named,
    select,
    select_block,
    sometimes,
    where_clause,
)
from tests.equivalence.group_blocks import aggregates
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTERVALS

MINUTES = {"30 minutes": 30, "1 hour": 60, "2 hours": 120, "90 minutes": 90}


def _timed(writer: Statement) -> list[Relation]:
    """The relations that have an instant which can be compared."""
    return [
        relation
        for relation in writer.relations
        if any(column.type == "timestamptz" and column.comparable for column in relation.columns)
    ]


def time_window_block(writer: Statement, depth: int) -> Query:
    """Rows of TUMBLE or HOP, or groups of them."""
    draw = writer.draw
    if not _timed(writer):
        return select_block(writer, depth)
    relation = draw(st.sampled_from(_timed(writer)))
    moment = draw(
        st.sampled_from([c.name for c in relation.columns if c.type == "timestamptz" and c.comparable])
    )
    slide, size = draw(
        st.sampled_from((("30 minutes", "1 hour"), ("1 hour", "2 hours"), ("90 minutes", "90 minutes")))
    )
    offset = pick(draw, ("", "30 minutes"))
    item = _windowed(writer, relation, moment, slide if draw(st.booleans()) else None, size, offset)
    where = [predicate(draw, item.scope)] if sometimes(draw) else []
    if draw(st.booleans()):
        return select(writer, item.sql, item.scope, where)
    start, end = f"{item.alias}.window_start", f"{item.alias}.window_end"
    texts, columns = aggregates(writer, item.scope, 2)
    return Query(
        f"select {start} as c0, {end} as c1, {', '.join(texts)} from {item.sql}{where_clause(where)}"
        f" group by {start}, {end}",
        (Column("c0", "timestamptz"), Column("c1", "timestamptz"), *columns),
    )


def _windowed(
    writer: Statement, relation: Relation, moment: str, slide: str | None, size: str, offset: str
) -> Item:
    """TUMBLE without `slide`, HOP with it; the oracles' text computes the windows from whole seconds."""
    item = named(writer, relation.name, relation.columns)
    shift = f", interval '{offset}'" if offset else ""
    lengths = f"interval '{slide}', interval '{size}'" if slide else f"interval '{size}'"
    call = f"{'hop' if slide else 'tumble'}({relation.name}, {moment}, {lengths}{shift}) as {item.alias}"
    step, late = 60 * MINUTES[slide or size], 60 * MINUTES.get(offset, 0)
    seconds = f"cast(extract(epoch from r.{moment}) as bigint)"
    first = f"(floor(({seconds} - {late}) / cast({step} as double precision)) * {step} + {late})"
    count = MINUTES[size] // MINUTES[slide] if slide else 1
    earlier = " union all ".join(f"select {number * step} as back" for number in range(count))
    length = 60 * MINUTES[size]
    kept = f" where r.{moment} is not null" if slide else ""
    writer.rewrites[call] = (
        f"(select r.*, to_timestamp({first} - b.back) as window_start,"
        f" to_timestamp({first} - b.back + {length}) as window_end"
        f" from {relation.name} as r cross join ({earlier}) as b{kept}) as {item.alias}"
    )
    windows = tuple(
        Scoped(f"{item.alias}.{name}", Column(name, "timestamptz")) for name in ("window_start", "window_end")
    )
    return Item(call, item.alias, (*item.scope, *windows))


def clock_block(writer: Statement, depth: int) -> Query:
    """Temporal filters whose compared value is computed, and such above groups."""
    draw = writer.draw
    if not _timed(writer):
        return select_block(writer, depth)
    relation = draw(st.sampled_from(_timed(writer)))
    item = named(writer, relation.name, relation.columns)
    moment = draw(st.sampled_from(instants(item.scope))).text
    length = pick(draw, INTERVALS)
    if sometimes(draw):
        keys = item.comparable()
        key = draw(st.sampled_from(keys))
        bound = pick(draw, (f"max({moment}) > now() - interval '{length}'", f"min({moment}) <= now()"))
        return Query(
            f"select {key.text} as c0, count(*) as c1 from {item.sql} group by {key.text} having {bound}",
            (Column("c0", key.column.type), Column("c1", "bigint")),
        )
    comparison = pick(draw, (">", ">=", "<", "<="))
    forms = (
        f"date_trunc('hour', {moment}) {comparison} date_trunc('hour', now()) - interval '1 hour'",
        f"date_trunc('hour', {moment}) {comparison} now() - interval '{length}'",
        f"date_trunc('day', {moment}) {comparison} date_trunc('day', now()) - interval '{length}'",
        f"date_trunc('hour', {moment}) = date_trunc('hour', now())",
        f"date_trunc('hour', now()) - interval '{length}' = date_trunc('hour', {moment})",
        f"{moment} = now() - interval '{length}'",
        f"{moment} + interval '{length}' {comparison} now()",
        f"{moment} between now() - interval '{length}' and now()",
        f"now() - interval '{length}' {comparison} {moment} - interval '30 minutes'",
    )
    return select(writer, item.sql, item.scope, [pick(draw, forms)])
