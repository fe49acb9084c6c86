"""Generated queries that tell equal values apart: they show, cast and add what SQL's equality calls the same.

Only PostgreSQL can check them. Which of its equal keys a group shows is left open by SQL; the engine shows the least by text,
and the oracle is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Builder,
    Query,
    Statement,
    choose_item,
    conditions,
    select_block,
    where_clause,
)
from tests.equivalence.scalars import Scoped, pick
from tests.equivalence.schema import Column
from tests.equivalence.values import LOOSE

DERIVED = {  # values of other types, computed from one of a loose type
    "numeric": (
        ("cast('{{\"w\": ' || cast({0} as varchar) || '}}' as jsonb)", "jsonb[]"),
        ("array[{0}, {0}]", "numeric[]"),
    ),
    "double precision": (("array[{0}]", "double precision[]"),),
    "interval": (
        ("array[{0}, {0}]", "interval[]"),
        ("timestamptz '2030-01-31 00:00:00+00' + {0}", "timestamptz"),
    ),
}


Form = Callable[[Statement, Sequence[Scoped], str], Query]


def _block(*forms: Form) -> Builder:
    """A query of one of some forms over the loose columns of an item."""

    def write(writer: Statement, depth: int) -> Query:
        item = choose_item(writer, depth)
        loose = [each for each in item.scope if each.column.image and each.column.type in LOOSE]
        if not loose:
            return select_block(writer, depth)
        where = where_clause(conditions(writer, item.scope))
        return writer.draw(st.sampled_from(forms))(writer, loose, f"from {item.sql}{where}")

    return write


def _text(value: str) -> str:
    return f"cast({value} as varchar)"


def _value(draw: st.DrawFn, loose: Sequence[Scoped]) -> tuple[str, str]:
    """A column, or a value that follows from it, and its type."""
    chosen = draw(st.sampled_from(loose))
    text, type_name = draw(
        st.sampled_from(
            (("{0}", chosen.column.type), ("{0}", chosen.column.type), *DERIVED[chosen.column.type])
        )
    )
    return text.format(chosen.text), type_name


def _texts(count: int) -> tuple[Column, ...]:
    return tuple(Column(f"c{position}", "varchar") for position in range(count))


def _rows(writer: Statement, loose: Sequence[Scoped], source: str) -> Query:
    """Values as they are and as text."""
    texts, columns = [], []
    for position in range(writer.draw(st.integers(1, 2))):
        value, type_name = _value(writer.draw, loose)
        shown = writer.draw(st.booleans())
        texts.append(f"{value if shown else _text(value)} as c{position}")
        columns.append(Column(f"c{position}", type_name if shown else "varchar", image=True))
    return Query(f"select {', '.join(texts)} {source}", tuple(columns))


def _groups(writer: Statement, loose: Sequence[Scoped], source: str) -> Query:
    """GROUP BY or DISTINCT: merged where it only counts, computed again where it does more."""
    draw = writer.draw
    keys = dict(_value(draw, loose) for _ in range(draw(st.integers(1, 2))))
    more = pick(draw, ("count(*)", "count(*)", "count(distinct 1)", "distinct"))
    shown = ", ".join(f"g.k{position} as k{position}" for position, _ in enumerate(keys))
    raw = [draw(st.booleans()) for _ in keys]
    listing = ", ".join(
        f"{f'g.k{position}' if shown else _text(f'g.k{position}')} as c{position}"
        for position, shown in enumerate(raw)
    )
    inner = ", ".join(f"{key} as k{position}" for position, key in enumerate(keys))
    names = ", ".join(f"g.k{position}" for position, _ in enumerate(keys))
    rows = f"(select {inner} {source}) as g"
    if more == "distinct":
        text = f"select distinct {shown} from {rows}"
    else:
        text = f"select {shown}, {more} as n from {rows} group by {names}"
    order = f"array[{', '.join(f'g.k{position}::text' for position, _ in enumerate(keys))}]::text"
    least = ", ".join(
        f"any_value(g.k{position} order by {order}) as k{position}" for position, _ in enumerate(keys)
    )
    count = "" if more == "distinct" else f", {more} as n"
    writer.rewrites[text] = f"select {least}{count} from {rows} group by {names}"
    columns = tuple(
        Column(f"c{position}", type_name if shown else "varchar", image=True)
        for position, (type_name, shown) in enumerate(zip(keys.values(), raw, strict=True))
    )
    tail = ""
    if more != "distinct":
        tail, columns = f", g.n as c{len(keys)}", (*columns, Column(f"c{len(keys)}", "bigint"))
    return Query(f"select {listing}{tail} from ({text}) as g", columns)


def _sums(writer: Statement, loose: Sequence[Scoped], source: str) -> Query:
    """Sums and means, of which only those of doubles differ in the last digits."""
    added = [each for each in loose if each.column.type != "double precision"]
    if not added:
        return _rows(writer, loose, source)
    chosen = writer.draw(st.sampled_from(added)).text
    call = pick(writer.draw, ("sum({0})", "avg({0})", "sum({0}) filter (where {0} is not null)"))
    return Query(
        f"select {_text(call.format(chosen))} as c0, count(*) as c1 {source}",
        (*_texts(1), Column("c1", "bigint")),
    )


def _list(writer: Statement, loose: Sequence[Scoped], source: str) -> Query:
    chosen = writer.draw(st.sampled_from(loose)).text
    order = f"{chosen}, {_text(chosen)}"
    return Query(f"select {_text(f'array_agg({chosen} order by {order})')} as c0 {source}", _texts(1))


def _window(writer: Statement, loose: Sequence[Scoped], source: str) -> Query:
    value, parts = (writer.draw(st.sampled_from(loose)) for _ in range(2))
    return Query(
        f"select {value.text} as c0, count(*) over (partition by {parts.text}) as c1 {source}",
        (Column("c0", value.column.type, image=True), Column("c1", "bigint")),
    )


BUILDERS: dict[str, Builder] = {
    "equal_rows": _block(_rows),
    "equal_groups": _block(_groups),
    "equal_sums": _block(_sums),
    "equal_lists": _block(_list, _window),
}
"""Name of a construct → what writes a query with it."""
