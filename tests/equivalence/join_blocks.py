"""Generated joins: of every kind and condition, LATERAL, ASOF, and EXISTS, NOT EXISTS and IN as joins."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Item,
    Query,
    Statement,
    choose_item,
    conditions,
    derived,
    named,
    nested,
    select,
    select_block,
    sometimes,
    temporal_filter,
    total_order,
    unnamed,
    where_clause,
)
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL


def equal_pairs(left: Item, right: Item) -> list[tuple[Scoped, Scoped]]:
    """The pairs of columns, one of each side, that an equality can connect."""
    return [
        (a, b)
        for a in left.comparable()
        for b in right.comparable()
        if a.column.type == b.column.type or {a.column.type, b.column.type} <= INTEGRAL
    ]


def equalities(writer: Statement, left: Item, right: Item, *, alone: bool = False) -> str | None:
    """One or two equalities between columns of the same type, of which NULLs may be equal too.

    Unless they must stand alone there is sometimes an inequality, and none may be an equality of values.
    """
    draw = writer.draw
    pairs = equal_pairs(left, right)
    if not pairs:
        return None
    chosen = [draw(st.sampled_from(pairs))]
    if sometimes(draw):
        chosen.append(draw(st.sampled_from(pairs)))
    operators = ("=", "=", "=", "is not distinct from")[: 3 if alone else 4]
    terms = [f"{a.text} {pick(draw, operators)} {b.text}" for a, b in chosen]
    if not alone and sometimes(draw):
        a, b = draw(st.sampled_from(pairs))
        terms.append(f"{a.text} {pick(draw, ('<', '<>', '>='))} {b.text}")
    return " and ".join(dict.fromkeys(terms))


def join_items(writer: Statement, depth: int, kind: str) -> Item | None:
    """Two or three items joined one after the other; None if two of them have no type in common."""
    draw = writer.draw
    left = choose_item(writer, depth)
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        right = choose_item(writer, depth)
        word = kind if kind != "mixed" else pick(draw, ("join", "left join", "right join", "full join"))
        condition = equalities(writer, left, right, alone=word == "full join")  # PostgreSQL demands that
        if condition is None:
            return None
        left = Item(f"{left.sql} {word} {right.sql} on {condition}", left.alias, (*left.scope, *right.scope))
    return left


def any_source(writer: Statement, depth: int) -> Item:
    """An item, or a join of items."""
    if sometimes(writer.draw):
        joined = join_items(writer, depth, pick(writer.draw, ("join", "left join", "mixed")))
        if joined is not None:
            return joined
    return choose_item(writer, depth)


def join_block(writer: Statement, depth: int) -> Query:
    joined = join_items(writer, depth, "join")
    if joined is None:
        return select_block(writer, depth)
    return select(writer, joined.sql, joined.scope, conditions(writer, joined.scope))


def left_join_block(writer: Statement, depth: int) -> Query:
    joined = join_items(writer, depth, pick(writer.draw, ("left join", "mixed")))
    if joined is None:
        return select_block(writer, depth)
    where = [predicate(writer.draw, joined.scope)] if sometimes(writer.draw) else []
    return select(writer, joined.sql, joined.scope, where)


def outer_join_block(writer: Statement, depth: int) -> Query:
    """RIGHT and FULL joins."""
    joined = join_items(writer, depth, pick(writer.draw, ("right join", "full join", "full join")))
    if joined is None:
        return select_block(writer, depth)
    where = [predicate(writer.draw, joined.scope)] if sometimes(writer.draw) else []
    return select(writer, joined.sql, joined.scope, where)


def using_block(writer: Statement, depth: int) -> Query:
    """JOIN … USING, with the merged column by its bare name; two joins share it."""
    draw = writer.draw
    left, right = choose_item(writer, depth), choose_item(writer, depth)
    pairs = [
        (a, b)
        for a, b in equal_pairs(left, right)
        if a.column.name == b.column.name and a.column.type == b.column.type
    ]
    if not pairs:
        return select_block(writer, depth)
    a, _ = draw(st.sampled_from(pairs))
    name = a.column.name
    sql = f"{left.sql} {pick(draw, OUTER)} {right.sql} using ({name})"
    scope = (*left.scope, *right.scope, Scoped(name, a.column))
    third = choose_item(writer, depth)
    if sometimes(draw) and any(c.column.name == name and c.column.type == a.column.type for c in third.scope):
        sql += f" {pick(draw, OUTER)} {third.sql} using ({name})"
        scope = (*scope, *third.scope)
    query = select(writer, sql, scope, [])
    listing = query.sql.removesuffix(f" from {sql}")
    where = where_clause([predicate(draw, scope)] if sometimes(draw) else [])
    return Query(
        f"{listing}, {name} as merged from {sql}{where}",
        (*query.columns, Column("merged", a.column.type)),
    )


OUTER = ("join", "left join", "right join", "full join")


def lateral_block(writer: Statement, depth: int) -> Query:
    """A LATERAL subquery for each row: the first rows of an order, an aggregate, or all that match."""
    draw = writer.draw
    outer, inner = choose_item(writer, depth), choose_item(writer, depth)
    pairs = equal_pairs(inner, outer)
    if not pairs:
        return select_block(writer, depth)
    a, b = draw(st.sampled_from(pairs))
    where = where_clause([f"{a.text} = {b.text}", *conditions(writer, inner.scope)])
    comparable = inner.comparable()
    columns = tuple(Column(f"l{position}", each.column.type) for position, each in enumerate(comparable))
    listing = ", ".join(f"{each.text} as l{position}" for position, each in enumerate(comparable))
    kind = pick(draw, ("top", "top", "count", "all"))
    if kind == "count":
        columns = (Column("l0", "bigint"), Column("l1", a.column.type))
        low = f"max({a.text})" if a.column.type != "boolean" else f"bool_or({a.text})"
        sql = f"select count({a.text}) as l0, {low} as l1 from {inner.sql}{where}"
    else:
        sql = f"select {listing} from {inner.sql}{where}"
        if kind == "top":
            order = total_order(draw, [each.text for each in comparable])
            sql += f" order by {order} limit {pick(draw, ('1', '2'))}"
    alias = writer.alias()
    word, on = draw(st.sampled_from((("cross join", ""), ("left join", " on true"), ("join", " on true"))))
    scope = (*outer.scope, *(Scoped(f"{alias}.{each.name}", each) for each in columns))
    return select(
        writer, f"{outer.sql} {word} lateral ({sql}) as {alias}{on}", scope, conditions(writer, outer.scope)
    )


def asof_block(writer: Statement, depth: int) -> Query:
    """ASOF joins; of the right side only what the condition names is read, in which rows that tie are equal."""
    draw = writer.draw
    left = choose_item(writer, depth)
    relation = draw(st.sampled_from(list(writer.relations)))
    right = named(writer, relation.name, relation.columns)
    pairs = equal_pairs(left, right)
    unordered = ("boolean", "interval")  # DuckDB finds no nearest of these
    compared = [(a, b) for a, b in pairs if a.column.type == b.column.type and a.column.type not in unordered]
    if not compared:
        return select_block(writer, depth)
    (a, b), (x, y) = draw(st.sampled_from(pairs)), draw(st.sampled_from(compared))
    operator = pick(draw, (">=", ">", "<=", "<"))
    word = pick(draw, ("asof join", "asof left join"))
    sql = f"{left.sql} {word} {right.sql} on {a.text} = {b.text} and {x.text} {operator} {y.text}"
    met = (replace(each, column=replace(each.column, image=False)) for each in (b, y))
    return select(writer, sql, (*left.scope, *met), [])


def one_row_block(writer: Statement, depth: int) -> Query:
    """A join with the one row of an aggregate, compared with it or not; constant rows."""
    draw = writer.draw
    left, right = choose_item(writer, depth), choose_item(writer, depth)
    alias = writer.alias()
    one = Scoped(f"{alias}.n", Column("n", "bigint"))
    scope = (*left.scope, one)
    if sometimes(draw):
        rows = pick(draw, ("(1, 'a'), (2, 'b')", "(0, null), (1, 'a')"))
        source = f"{left.sql} join (values {rows}) as {alias} (n, v) on {alias}.n = length('a')"
        return select(writer, source, (*left.scope, Scoped(f"{alias}.n", Column("n", "integer"))), [])
    where = where_clause(conditions(writer, right.scope))
    source = f"{left.sql} cross join (select count(*) as n from {right.sql}{where}) as {alias}"
    numbers = [each for each in left.comparable() if each.column.type in INTEGRAL]
    test = [f"{draw(st.sampled_from(numbers)).text} {pick(draw, ('<', '>='))} {one.text}"] if numbers else []
    return select(writer, source, scope, [*test, *conditions(writer, left.scope)])


def stored_row_block(writer: Statement, depth: int) -> Query:
    """Every row of an item beside the one row of a view: all of them, or those that a comparison admits.

    Where there is no such view yet, one that may serve the next.
    """
    draw = writer.draw
    single = [relation for relation in writer.relations if relation.single]
    if not single:
        item = choose_item(writer, depth)
        column = draw(st.sampled_from(item.scope))
        return Query(
            f"select count({column.text}) as c0, count(*) as c1 from {item.sql}",
            (Column("c0", "bigint"), Column("c1", "bigint")),
            single=True,
        )
    relation = draw(st.sampled_from(single))
    many, one = choose_item(writer, depth), named(writer, relation.name, relation.columns)
    scope = (*many.scope, *one.scope)
    compared = [(a, b) for a, b in equal_pairs(many, one) if a.column.type != "boolean"]
    kind = pick(draw, ("cross join", "one first", "join", "left join") if compared else ("cross join",))
    if kind == "cross join":
        return select(writer, f"{many.sql} cross join {one.sql}", scope, conditions(writer, scope))
    a, b = draw(st.sampled_from(compared))
    test = f"{a.text} {pick(draw, ('<', '>=', '<>', '='))} {b.text}"
    if kind == "one first":
        return select(writer, f"{one.sql}, {many.sql}", many.scope, [test])
    return select(writer, f"{many.sql} {kind} {one.sql} on {test}", scope, conditions(writer, many.scope))


def self_join_block(writer: Statement, depth: int) -> Query:
    """The same item twice, as in pair counts."""
    draw = writer.draw
    first = choose_item(writer, depth)
    name, columns = first.sql.removesuffix(f" as {first.alias}"), [each.column for each in first.scope]
    if not first.alias:  # the names of its columns alone would mean both
        first = named(writer, name, columns)
    second = named(writer, name, columns)
    condition = equalities(writer, first, second)
    if condition is None:
        return select_block(writer, depth)
    word = pick(draw, ("join", "join", "left join"))
    scope = (*first.scope, *second.scope)
    where = [predicate(draw, scope)] if sometimes(draw) else []
    return select(writer, f"{first.sql} {word} {second.sql} on {condition}", scope, where)


def unnamed_block(writer: Statement, depth: int) -> Query:
    """Two subqueries in one FROM, neither of which has an alias."""
    first, second = (
        unnamed(writer, nested(writer, depth - 1) if depth else select_block(writer, 0)) for _ in range(2)
    )
    condition = equalities(writer, first, second)
    if condition is None:
        return select_block(writer, depth)
    scope = (*first.scope, *second.scope)
    return select(writer, f"{first.sql} join {second.sql} on {condition}", scope, [])


def temporal_block(writer: Statement, depth: int) -> Query:
    """A temporal filter on one item or on both sides of a join, in the WHERE of the join or in a subquery."""
    draw = writer.draw
    timed = [
        each
        for each in writer.relations
        if any(column.type == "timestamptz" and column.comparable for column in each.columns)
    ]
    if not timed:
        return select_block(writer, depth)
    items, terms = [], []
    for _ in range(draw(st.integers(1, 2))):
        relation = draw(st.sampled_from(timed))
        item = named(writer, relation.name, relation.columns)
        term = " and ".join(temporal_filter(draw, item.scope) for _ in range(2 if sometimes(draw) else 1))
        if draw(st.booleans()):
            listing = ", ".join(f"{each.text} as {each.column.name}" for each in item.scope)
            items.append(
                derived(writer, Query(f"select {listing} from {item.sql} where {term}", relation.columns))
            )
        else:
            items.append(item)
            terms.append(term)
    scope = [each for item in items for each in item.scope]
    if len(items) == 2:
        condition = equalities(writer, *items)
        assert condition is not None  # both have an instant
        terms.append(condition)
    return select(writer, ", ".join(each.sql for each in items), scope, terms)


def comma_join_block(writer: Statement, depth: int) -> Query:
    """FROM a, b or a, b, c with the equalities in WHERE: the first two may meet through the third alone.

    An equality may be written in every branch of an OR; an outer join may stand beside the last comma.
    """
    draw = writer.draw
    items = [choose_item(writer, depth) for _ in range(draw(st.sampled_from((2, 2, 3))))]
    terms: list[str] = []
    for item in items[:-1]:
        condition = equalities(writer, item, items[-1])
        if condition is None:
            return select_block(writer, depth)
        terms.append(condition)
    scope = tuple(each for item in items for each in item.scope)
    if sometimes(draw):
        first, second = predicate(draw, scope, 1), predicate(draw, scope, 1)
        terms[0] = f"(({terms[0]} and {first}) or ({second} and {terms[0]}))"
    sql = ", ".join(item.sql for item in items)
    beside = choose_item(writer, depth) if len(items) == 2 and sometimes(draw) else None
    condition = equalities(writer, items[-1], beside) if beside is not None else None
    if beside is not None and condition is not None:
        sql, scope = f"{sql} left join {beside.sql} on {condition}", (*scope, *beside.scope)
    return select(writer, sql, scope, [*terms, *conditions(writer, scope)])


def exists_block(writer: Statement, depth: int) -> Query:
    """EXISTS or NOT EXISTS with an equality and sometimes filters inside."""
    draw = writer.draw
    outer, inner = choose_item(writer, depth), choose_item(writer, depth)
    condition = equalities(writer, inner, outer)
    if condition is None:
        return select_block(writer, depth)
    word = pick(draw, ("exists", "not exists"))
    inside = where_clause([condition, *conditions(writer, inner.scope)])
    clause = f"{word} (select 1 from {inner.sql}{inside})"
    return select(writer, outer.sql, outer.scope, [clause, *conditions(writer, outer.scope)])


def in_block(writer: Statement, depth: int) -> Query:
    """column IN (SELECT column …)."""
    outer, inner = choose_item(writer, depth), choose_item(writer, depth)
    pairs = equal_pairs(outer, inner)
    if not pairs:
        return select_block(writer, depth)
    a, b = writer.draw(st.sampled_from(pairs))
    clause = f"{a.text} in (select {b.text} from {inner.sql}{where_clause(conditions(writer, inner.scope))})"
    return select(writer, outer.sql, outer.scope, [clause, *conditions(writer, outer.scope)])
