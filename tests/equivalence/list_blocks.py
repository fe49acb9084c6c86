"""Generated set-returning functions, in FROM and in the SELECT list, and subqueries over a list of the row outside."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Query,
    Statement,
    choose_item,
    conditions,
    select,
    select_block,
    where_clause,
)
from tests.equivalence.scalars import Scoped, expression, of_type, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.subquery_blocks import with_value


def numbers(writer: Statement, scope: tuple[Scoped, ...]) -> str:
    """A list of two whole numbers of a row."""
    first, second = (expression(writer.draw, scope, "integer", 1) for _ in range(2))
    return f"array[cast({first} as integer), cast({second} as integer)]"


def short_series(writer: Statement, scope: tuple[Scoped, ...]) -> str:
    """A series of a few numbers, perhaps of none, up or down."""
    draw = writer.draw
    bound = f"least(cast({expression(draw, scope, 'integer', 1)} as integer), 3)"
    return pick(draw, (f"generate_series(1, {bound})", f"generate_series({bound}, 0, -1)"))


def guarded_series(writer: Statement, scope: tuple[Scoped, ...]) -> str:
    """A series whose step may be zero, which gives no rows; PostgreSQL fails."""
    step = f"cast({expression(writer.draw, scope, 'integer', 1)} as integer)"
    text = f"generate_series(0, 2, {step})"
    writer.rewrites[text] = f"generate_series(0, 2, nullif({step}, 0))"
    return text


def guarded_document(writer: Statement, scope: tuple[Scoped, ...]) -> str:
    """The elements of a document that may be no list, which gives no rows; PostgreSQL fails."""
    draw = writer.draw
    value = f"cast({expression(draw, scope, 'varchar', 0)} as varchar)"
    document = f"case when {predicate(draw, scope, 1)} then jsonb_build_array({value}, 'x') else to_jsonb({value}) end"
    text = f"jsonb_array_elements({document})"
    writer.rewrites[text] = (
        f"jsonb_array_elements(case when jsonb_typeof({document}) = 'array' then {document} end)"
    )
    return text


def in_from(writer: Statement, scope: tuple[Scoped, ...]) -> tuple[str, list[Column]]:
    """A function in FROM, and its columns."""
    draw = writer.draw
    call = pick(draw, ("unnest", "series", "step", "members", "elements"))
    if call == "members":
        value = expression(draw, scope, "varchar", 1)
        columns = [Column("k", "text", exact=False), Column("e", "text", exact=False)]
        return f"jsonb_each_text(jsonb_build_object('a', {value}, 'b', 'x'))", columns
    if call == "elements":
        return guarded_document(writer, scope), [Column("e", "text", exact=False)]
    if call == "unnest":
        return f"unnest({numbers(writer, scope)})", [Column("e", "integer")]
    text = short_series(writer, scope) if call == "series" else guarded_series(writer, scope)
    return text, [Column("e", "integer")]


def function_block(writer: Statement, depth: int) -> Query:
    """Functions in FROM over the rows left of them, numbered, on a condition, or several."""
    draw = writer.draw
    item = choose_item(writer, depth)
    scope = list(item.scope)
    sql = item.sql
    for _ in range(2 if draw(st.booleans()) else 1):
        alias = writer.alias("f")
        text, own = in_from(writer, item.scope)
        names = [column.name for column in own]
        if draw(st.booleans()):
            text += " with ordinality"
            names.append("o")
            own.append(Column("o", "bigint"))
        made = [Scoped(f"{alias}.{column.name}", column) for column in own]
        on = f" on {predicate(draw, [*item.scope, *made], 1)}" if draw(st.booleans()) else " on true"
        word, tail = draw(st.sampled_from((("cross join", ""), ("left join", on), ("join", on))))
        sql += f" {word} lateral {text} as {alias}({', '.join(names)}){tail}"
        scope += [each for each in made if each.column.exact]
    return select(writer, sql, scope, conditions(writer, scope))


def in_step_block(writer: Statement, depth: int) -> Query:
    """Functions in the SELECT list: in step, inside of expressions, of each other."""
    draw = writer.draw
    item = choose_item(writer, depth)
    kept = [each for each in item.comparable()][:1]
    texts = [f"{each.text} as c0" for each in kept]
    columns = [Column("c0", each.column.type) for each in kept]
    lists = [f"unnest({numbers(writer, item.scope)})", short_series(writer, item.scope)]
    kind = pick(draw, ("alone", "both", "inside", "nested"))
    if kind == "nested":
        values = [f"generate_series({pick(draw, ('0', '1'))}, least({lists[0]}, 2))"]
    elif kind == "inside":
        values = [f"({lists[0]} + {lists[1]})"]
    else:
        values = lists if kind == "both" else lists[:1]
    for text in values:
        name = f"c{len(columns)}"
        texts.append(f"{text} as {name}")
        columns.append(Column(name, "integer"))
    where = where_clause(conditions(writer, item.scope))
    word = "distinct " if draw(st.booleans()) and kind == "alone" else ""
    return Query(f"select {word}{', '.join(texts)} from {item.sql}{where}", tuple(columns))


def of_row_block(writer: Statement, depth: int) -> Query:
    """Subqueries that read no relation, but a list of the row outside."""
    draw = writer.draw
    item = choose_item(writer, depth)
    if not of_type(item.scope, "integer"):
        return select_block(writer, depth)
    alias = writer.alias("e")
    element = Scoped(f"{alias}.x", Column("x", "integer"))
    both = [*item.scope, element]
    test = predicate(draw, both, 1)
    rows = f"from unnest({numbers(writer, item.scope)}) as {alias}(x) where {test}"
    kind = pick(draw, ("max", "count", "exists", "in", "array", "lateral"))
    if kind == "lateral":
        inner = writer.alias("l")
        sql = f"{item.sql} left join lateral (select {alias}.x as x {rows} order by {alias}.x limit 1) as {inner} on true"
        return select(writer, sql, (*item.scope, Scoped(f"{inner}.x", element.column)), [])
    value = {
        "max": (f"(select max({alias}.x) {rows})", "integer"),
        "count": (f"(select count(*) {rows})", "bigint"),
        "exists": (f"exists (select 1 {rows})", "boolean"),
        "in": (f"({expression(draw, item.scope, 'integer', 0)} in (select {alias}.x {rows}))", "boolean"),
        "array": (f"array(select {alias}.x {rows})", "integer[]"),
    }[kind]
    return with_value(writer, item, *value)
