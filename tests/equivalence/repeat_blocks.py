"""Generated statements that read one relation again and again: self-joins in unions, unions in self-joins, a CTE used
several times, a relation on both sides of outer joins and of EXISTS, joins of three occurrences.

Every occurrence that changes must meet the others in one state each. What decides in which is the join above two
occurrences, so unions and joins nest here in every way.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.equivalence.blocks import (
    Item,
    Query,
    Relation,
    Statement,
    derived,
    instants,
    listed,
    named,
    select_block,
    sometimes,
    temporal_filter,
    where_clause,
)
from tests.equivalence.join_blocks import equalities
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column

WORDS = ("join", "join", "left join", "right join", "full join")


def repeated_block(writer: Statement, depth: int) -> Query:
    """One to three branches of a union, each of which joins occurrences of one relation or CTE."""
    draw = writer.draw
    few = [relation for relation in writer.relations if relation.source]
    if not few:
        return select_block(writer, depth)
    source = repeated(writer, draw(st.sampled_from(few)))
    shown = [column for column in source.columns if column.comparable]
    chosen = [draw(st.sampled_from(shown)) for _ in range(draw(st.integers(1, 2)))]
    most = [3, 2, 2] if source.source else [2, 1, 1]
    branches = [branch(writer, source, chosen, most[n]) for n in range(draw(st.sampled_from((1, 2, 2, 3))))]
    columns = tuple(Column(f"c{n}", column.type) for n, column in enumerate(chosen))
    return Query(" union all ".join(branches), columns)


def repeated(writer: Statement, relation: Relation) -> Relation:
    """What is read again and again: a relation, or a CTE that itself joins two occurrences or filters one."""
    draw = writer.draw
    if not sometimes(draw):
        return relation
    query = draw(st.sampled_from((self_join, some)))(writer, relation)
    name, shown, count = listed(writer, query)
    writer.ctes.append((name, shown, count))
    return Relation(name, shown.columns)


def self_join(writer: Statement, relation: Relation) -> Query:
    """Two occurrences of a relation, with the columns of one and the first column of the other."""
    first, second = (named(writer, relation.name, relation.columns) for _ in range(2))
    condition = equalities(writer, first, second)
    carried = (*first.scope, second.scope[0])
    columns = tuple(
        Column(f"p{n}", each.column.type, each.column.exact, each.column.loaded)
        for n, each in enumerate(carried)
    )
    listing = ", ".join(f"{each.text} as p{n}" for n, each in enumerate(carried))
    return Query(f"select {listing} from {first.sql} join {second.sql} on {condition}", columns)


def branch(writer: Statement, source: Relation, shown: Sequence[Column], most: int) -> str:
    """Up to `most` items joined, one more perhaps only asked whether it is there; one of them may be a union."""
    draw = writer.draw
    count = draw(st.integers(1, most))
    united = draw(st.integers(0, 3))
    joined = occurrence(writer, source, union=united == 0)
    met = [joined]
    for number in range(1, count):
        item = occurrence(writer, source, union=united == number)
        word = pick(draw, WORDS)
        condition = equalities(writer, draw(st.sampled_from(met)), item, alone=word == "full join")
        met.append(item)
        joined = Item(
            f"{joined.sql} {word} {item.sql} on {condition}", joined.alias, (*joined.scope, *item.scope)
        )
    where = [predicate(draw, joined.scope, 1)] if sometimes(draw) else []
    if len(met) == 1 or sometimes(draw):
        item = occurrence(writer, source, union=united == 3)
        condition = equalities(writer, item, draw(st.sampled_from(met)))
        where.append(f"{pick(draw, ('exists', 'not exists'))} (select 1 from {item.sql} where {condition})")
    listing = ", ".join(
        f"{of(draw(st.sampled_from(met)), column).text} as c{n}" for n, column in enumerate(shown)
    )
    return f"select {listing} from {joined.sql}{where_clause(where)}"


def of(item: Item, column: Column) -> Scoped:
    """The column of that name in an occurrence."""
    return next(each for each in item.scope if each.column.name == column.name)


def occurrence(writer: Statement, source: Relation, *, union: bool) -> Item:
    """The relation itself, some of its rows, or two occurrences of it in a union."""
    if union:
        parts = [some(writer, source).sql for _ in range(2)]
        return derived(writer, Query(" union all ".join(parts), source.columns))
    if sometimes(writer.draw):
        return derived(writer, some(writer, source))
    return named(writer, source.name, source.columns)


def some(writer: Statement, source: Relation) -> Query:
    """Some rows of a relation, perhaps those of some time."""
    item = named(writer, source.name, source.columns)
    where = [predicate(writer.draw, item.scope, 1)] if sometimes(writer.draw) else []
    if instants(item.scope) and sometimes(writer.draw):
        where.append(temporal_filter(writer.draw, item.scope))
    listing = ", ".join(f"{each.text} as {each.column.name}" for each in item.scope)
    return Query(f"select {listing} from {item.sql}{where_clause(where)}", source.columns)
