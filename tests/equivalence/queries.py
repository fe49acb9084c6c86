"""Generated SELECT statements: the algebra that the engine maintains, as text in RisingWave's dialect.

Every statement has one batch meaning, the same in PostgreSQL, DuckDB and RisingWave:

- ROW_NUMBER and array_agg order by every comparable column, so rows that tie are equal; columns that cannot be ordered
  by (arrays, inexact numbers) do not pass through them, nor through DISTINCT and GROUP BY
- joins have at least one equality (RisingWave refuses nested-loop joins in streams)
- `now()` appears only as `column > now() - interval` (or `>=`), AND-ed into the WHERE of the block that reads the column
- NULLs order as in PostgreSQL, or as written; the transpiler spells it out for DuckDB
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.equivalence.scalars import Scoped, constant, expression, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL, INTERVALS, NUMBERS, SCALAR_TYPES


@dataclass(frozen=True)
class Relation:
    """Something that a FROM clause can name."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Query:
    """A SELECT without its WITH clause, and the columns that it returns."""

    sql: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Item:
    """An item of a FROM clause: its text including the alias, and its columns qualified by it."""

    sql: str
    alias: str
    scope: tuple[Scoped, ...]

    def comparable(self) -> list[Scoped]:
        return [each for each in self.scope if each.column.comparable]


@dataclass
class Statement:
    """One statement while it is written: what it may read, its CTEs so far, fresh aliases, and where choices come from."""

    draw: st.DrawFn
    relations: Sequence[Relation]
    kinds: Sequence[str]
    ctes: list[tuple[str, Query]] = field(default_factory=list)
    _aliases: int = 0

    def alias(self, letter: str = "s") -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def finish(self, query: Query) -> str:
        if not self.ctes:
            return query.sql
        return "with " + ", ".join(f"{name} as ({each.sql})" for name, each in self.ctes) + " " + query.sql


def statement(draw: st.DrawFn, relations: Sequence[Relation], kinds: Sequence[str], depth: int) -> Query:
    """A whole statement over `relations`; `kinds` are the names of BUILDERS that it may use."""
    writer = Statement(draw, relations, kinds)
    query = _query(writer, depth)
    return Query(writer.finish(query), query.columns)


def _query(writer: Statement, depth: int) -> Query:
    return BUILDERS[pick(writer.draw, writer.kinds)](writer, depth)


def _item(writer: Statement, depth: int) -> Item:
    """A relation, a subquery or a reference to a (new or earlier) CTE."""
    kinds = ["relation", "relation"] + (["subquery", "cte"] if depth > 0 else [])
    kind = pick(writer.draw, kinds)
    if kind == "relation":
        relation = writer.draw(st.sampled_from(list(writer.relations)))
        return _named(writer, relation.name, relation.columns)
    if kind == "subquery":
        return _derived(writer, _query(writer, depth - 1))
    if not writer.ctes or writer.draw(st.booleans()):
        query = _query(writer, depth - 1)
        writer.ctes.append((writer.alias("cte"), query))
    name, query = writer.draw(st.sampled_from(writer.ctes))
    return _named(writer, name, query.columns)


def _named(writer: Statement, name: str, columns: Sequence[Column]) -> Item:
    alias = writer.alias()
    return Item(f"{name} as {alias}", alias, _scope(alias, columns))


def _derived(writer: Statement, query: Query) -> Item:
    alias = writer.alias()
    return Item(f"({query.sql}) as {alias}", alias, _scope(alias, query.columns))


def _scope(alias: str, columns: Sequence[Column]) -> tuple[Scoped, ...]:
    return tuple(Scoped(f"{alias}.{column.name}", column) for column in columns)


def _select(
    writer: Statement,
    source: str,
    scope: Sequence[Scoped],
    where: Sequence[str],
    *,
    only_comparable: bool = False,
) -> Query:
    """Columns and expressions of `scope`, one to four of them."""
    draw = writer.draw
    carried = [each for each in scope if each.column.comparable or not only_comparable]
    texts: list[str] = []
    columns: list[Column] = []
    for position in range(draw(st.integers(1, 4))):
        name = f"c{position}"
        if carried and draw(st.sampled_from((True, True, False))):
            chosen = draw(st.sampled_from(carried))
            text, column = chosen.text, Column(name, chosen.column.type, chosen.column.exact)
        else:
            type_name = pick(draw, SCALAR_TYPES)
            text, column = expression(draw, scope, type_name), Column(name, type_name)
        texts.append(f"{text} as {name}")
        columns.append(column)
    return Query(f"select {', '.join(texts)} from {source}{_where(where)}", tuple(columns))


def _where(conditions: Sequence[str]) -> str:
    return f" where {' and '.join(conditions)}" if conditions else ""


def _conditions(writer: Statement, scope: Sequence[Scoped]) -> list[str]:
    """No, one or two conjuncts; where the scope has an instant, one of them may be a temporal filter."""
    draw = writer.draw
    conditions = []
    if draw(st.sampled_from((False, False, True))):
        conditions.append(predicate(draw, scope))
    instants = [each for each in scope if each.column.type == "timestamptz" and each.column.comparable]
    if instants and draw(st.sampled_from((False, False, False, True))):
        chosen = draw(st.sampled_from(instants))
        operator = pick(draw, (">", ">="))
        conditions.append(f"{chosen.text} {operator} now() - interval '{pick(draw, INTERVALS)}'")
    return conditions


def _select_block(writer: Statement, depth: int) -> Query:
    """Filter and project."""
    item = _item(writer, depth)
    return _select(writer, item.sql, item.scope, _conditions(writer, item.scope))


def _equalities(writer: Statement, left: Item, right: Item) -> str | None:
    """One or two equalities between columns of the same type, sometimes an inequality beside them."""
    draw = writer.draw
    pairs = [
        (a, b)
        for a in left.comparable()
        for b in right.comparable()
        if a.column.type == b.column.type or {a.column.type, b.column.type} <= INTEGRAL
    ]
    if not pairs:
        return None
    chosen = [draw(st.sampled_from(pairs))]
    if draw(st.sampled_from((False, False, True))):
        chosen.append(draw(st.sampled_from(pairs)))
    conditions = [f"{a.text} = {b.text}" for a, b in chosen]
    if draw(st.sampled_from((False, False, True))):
        a, b = draw(st.sampled_from(pairs))
        conditions.append(f"{a.text} {pick(draw, ('<', '<>', '>='))} {b.text}")
    return " and ".join(dict.fromkeys(conditions))


def _joined(writer: Statement, depth: int, kind: str) -> Item | None:
    """Two or three items joined one after the other; None if two of them have no type in common."""
    draw = writer.draw
    left = _item(writer, depth)
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        right = _item(writer, depth)
        condition = _equalities(writer, left, right)
        if condition is None:
            return None
        word = kind if kind != "mixed" else pick(draw, ("join", "left join"))
        left = Item(f"{left.sql} {word} {right.sql} on {condition}", left.alias, (*left.scope, *right.scope))
    return left


def _join_block(writer: Statement, depth: int) -> Query:
    item = _joined(writer, depth, "join")
    if item is None:
        return _select_block(writer, depth)
    return _select(writer, item.sql, item.scope, _conditions(writer, item.scope))


def _left_join_block(writer: Statement, depth: int) -> Query:
    item = _joined(writer, depth, pick(writer.draw, ("left join", "mixed")))
    if item is None:
        return _select_block(writer, depth)
    where = [predicate(writer.draw, item.scope)] if writer.draw(st.booleans()) else []
    return _select(writer, item.sql, item.scope, where)


def _self_join_block(writer: Statement, depth: int) -> Query:
    """The same item twice, as in pair counts."""
    draw = writer.draw
    first = _item(writer, depth)
    name = first.sql.rsplit(" as ", 1)[0]
    second = _named(writer, name, [each.column for each in first.scope])
    condition = _equalities(writer, first, second)
    if condition is None:
        return _select_block(writer, depth)
    word = pick(draw, ("join", "join", "left join"))
    scope = (*first.scope, *second.scope)
    where = [predicate(draw, scope)] if draw(st.sampled_from((False, False, True))) else []
    return _select(writer, f"{first.sql} {word} {second.sql} on {condition}", scope, where)


def _from_any(writer: Statement, depth: int) -> Item:
    """An item, or a join of items."""
    shape = pick(writer.draw, ("item", "item", "join"))
    if shape == "join":
        joined = _joined(writer, depth, pick(writer.draw, ("join", "left join", "mixed")))
        if joined is not None:
            return joined
    return _item(writer, depth)


def _aggregate_call(draw: st.DrawFn, scope: Sequence[Scoped]) -> tuple[str, str, bool]:
    """Text, type and exactness of one aggregate."""
    comparable = [each for each in scope if each.column.comparable]
    numbers = [each for each in scope if each.column.type in NUMBERS]
    ordered = [each for each in comparable if each.column.type != "boolean"]
    kinds = ["count_star"]
    kinds += ["count", "count_distinct"] if comparable else []
    kinds += ["sum", "avg"] if numbers else []
    kinds += ["min", "max"] if ordered else []
    kind = pick(draw, kinds)
    type_name, exact = "bigint", True
    if kind == "count_star":
        text = "count(*)"
    elif kind == "count":
        text = f"count({draw(st.sampled_from(comparable)).text})"
    elif kind == "count_distinct":
        text = f"count(distinct {draw(st.sampled_from(comparable)).text})"
    elif kind in ("sum", "avg"):
        chosen = draw(st.sampled_from(numbers))
        text = f"{kind}({chosen.text})"
        source = chosen.column.type
        type_name = {"integer": "bigint", "double precision": source}.get(source, "numeric")
        exact = kind == "sum" and chosen.column.exact and source != "double precision"
        if kind == "avg" and source != "double precision":
            type_name = "numeric"
    else:
        chosen = draw(st.sampled_from(ordered))
        text, type_name = f"{kind}({chosen.text})", chosen.column.type
    if draw(st.sampled_from((False, False, True))):
        text += f" filter (where {predicate(draw, scope, 1)})"
    return text, type_name, exact


def _aggregates(writer: Statement, scope: Sequence[Scoped], first: int) -> tuple[list[str], list[Column]]:
    texts, columns = [], []
    for position in range(first, first + writer.draw(st.integers(1, 3))):
        text, type_name, exact = _aggregate_call(writer.draw, scope)
        texts.append(f"{text} as c{position}")
        columns.append(Column(f"c{position}", type_name, exact))
    return texts, columns


def _aggregate_block(writer: Statement, depth: int) -> Query:
    """GROUP BY columns or expressions of them, sometimes with HAVING."""
    draw = writer.draw
    item = _from_any(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return _global_block(writer, depth)
    keys: dict[str, Column] = {}
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        chosen = draw(st.sampled_from(comparable))
        text = chosen.text
        if draw(st.sampled_from((False, False, False, True))):
            text = _key_expression(draw, chosen)
        keys.setdefault(text, chosen.column)
    texts = [f"{text} as c{position}" for position, text in enumerate(keys)]
    columns = [Column(f"c{position}", column.type) for position, column in enumerate(keys.values())]
    more_texts, more_columns = _aggregates(writer, item.scope, len(texts))
    where = _where(_conditions(writer, item.scope))
    having = (
        f" having count(*) {pick(draw, ('>', '<='))} 1" if draw(st.sampled_from((False, False, True))) else ""
    )
    return Query(
        f"select {', '.join([*texts, *more_texts])} from {item.sql}{where} group by {', '.join(keys)}{having}",
        (*columns, *more_columns),
    )


def _key_expression(draw: st.DrawFn, chosen: Scoped) -> str:
    type_name = chosen.column.type
    if type_name == "timestamptz":
        return f"date_trunc('hour', {chosen.text})"
    return f"coalesce({chosen.text}, {constant(draw, type_name)})"


def _global_block(writer: Statement, depth: int) -> Query:
    """Aggregates without GROUP BY: always one row."""
    item = _from_any(writer, depth)
    texts, columns = _aggregates(writer, item.scope, 0)
    return Query(
        f"select {', '.join(texts)} from {item.sql}{_where(_conditions(writer, item.scope))}", tuple(columns)
    )


def _direction(draw: st.DrawFn) -> str:
    return pick(draw, ("", " desc", " nulls first", " desc nulls last"))


def _total_order(draw: st.DrawFn, columns: Sequence[str]) -> str:
    """Every column, in a drawn order of precedence."""
    permuted = draw(st.permutations(list(columns)))
    return ", ".join(f"{text}{_direction(draw)}" for text in permuted)


def _top_n_block(writer: Statement, depth: int) -> Query:
    """ROW_NUMBER over a partition, cut at k."""
    draw = writer.draw
    item = _item(writer, depth)
    comparable = item.comparable()
    if not comparable:
        return _select_block(writer, depth)
    carried = [Column(f"c{position}", each.column.type) for position, each in enumerate(comparable)]
    texts = [f"{each.text} as c{position}" for position, each in enumerate(comparable)]
    partition = draw(st.lists(st.sampled_from(comparable), max_size=2, unique=True))
    by = f"partition by {', '.join(each.text for each in partition)} " if partition else ""
    window = f"row_number() over ({by}order by {_total_order(draw, [each.text for each in comparable])})"
    inner = (
        f"select {', '.join(texts)}, {window} as rn from {item.sql}{_where(_conditions(writer, item.scope))}"
    )
    alias = writer.alias()
    cut = pick(draw, ("<= 1", "<= 2", "< 3", "= 1"))
    if draw(st.booleans()):
        carried.append(Column("rn", "bigint"))
    names = [column.name for column in carried]
    outer = ", ".join(f"{alias}.{old} as c{position}" for position, old in enumerate(names))
    columns = tuple(Column(f"c{position}", column.type) for position, column in enumerate(carried))
    return Query(f"select {outer} from ({inner}) as {alias} where {alias}.rn {cut}", columns)


def _union_block(writer: Statement, depth: int) -> Query:
    """UNION ALL of two or three branches with the same types."""
    draw = writer.draw
    first = _item(writer, depth)
    types = [pick(draw, SCALAR_TYPES) for _ in range(draw(st.integers(1, 3)))]
    branches = []
    for item in [first, *(_item(writer, depth) for _ in range(draw(st.sampled_from((1, 1, 2)))))]:
        texts = [f"{_typed(draw, item.scope, each)} as c{position}" for position, each in enumerate(types)]
        branches.append(f"select {', '.join(texts)} from {item.sql}{_where(_conditions(writer, item.scope))}")
    return Query(" union all ".join(branches), tuple(Column(f"c{n}", each) for n, each in enumerate(types)))


def _typed(draw: st.DrawFn, scope: Sequence[Scoped], type_name: str) -> str:
    """An expression whose type is known to be `type_name` in all branches (a bare 'a' or null would not be)."""
    return f"cast({expression(draw, scope, type_name, 1)} as {type_name})"


def _exists_block(writer: Statement, depth: int) -> Query:
    """EXISTS or NOT EXISTS with an equality and sometimes a filter inside."""
    draw = writer.draw
    outer, inner = _item(writer, depth), _item(writer, depth)
    condition = _equalities(writer, inner, outer)
    if condition is None:
        return _select_block(writer, depth)
    if draw(st.booleans()):
        condition += f" and {predicate(draw, inner.scope, 1)}"
    word = pick(draw, ("exists", "not exists"))
    clause = f"{word} (select 1 from {inner.sql} where {condition})"
    return _select(writer, outer.sql, outer.scope, [clause, *_conditions(writer, outer.scope)])


def _distinct_block(writer: Statement, depth: int) -> Query:
    item = _from_any(writer, depth)
    query = _select(writer, item.sql, item.scope, _conditions(writer, item.scope), only_comparable=True)
    return Query(query.sql.replace("select ", "select distinct ", 1), query.columns)


def _array_block(writer: Statement, depth: int) -> Query:
    """array_agg with a total order, per group."""
    draw = writer.draw
    item = _item(writer, depth)
    comparable = [each for each in item.comparable() if each.column.type != "numeric"]
    if not comparable:
        return _select_block(writer, depth)
    key = draw(st.sampled_from(comparable))
    gathered = draw(st.sampled_from(comparable))
    order = _total_order(draw, [each.text for each in comparable])
    tail = (
        f" filter (where {predicate(draw, item.scope, 1)})"
        if draw(st.sampled_from((False, False, True)))
        else ""
    )
    where = _where(_conditions(writer, item.scope))
    return Query(
        f"select {key.text} as c0, array_agg({gathered.text} order by {order}){tail} as c1, count(*) as c2"
        f" from {item.sql}{where} group by {key.text}",
        (Column("c0", key.column.type), Column("c1", f"{gathered.column.type}[]"), Column("c2", "bigint")),
    )


def _unnest_block(writer: Statement, depth: int) -> Query:
    """unnest of an array that a view below, or a subquery here, gathered."""
    draw = writer.draw
    with_array = [
        each for each in writer.relations if any(column.type.endswith("[]") for column in each.columns)
    ]
    if with_array and draw(st.booleans()):
        relation = draw(st.sampled_from(with_array))
        item = _named(writer, relation.name, relation.columns)
    else:
        query = _array_block(writer, max(depth - 1, 0))
        if not any(column.type.endswith("[]") for column in query.columns):
            return query
        item = _derived(writer, query)
    array = draw(st.sampled_from([each for each in item.scope if each.column.type.endswith("[]")]))
    alias = writer.alias("u")
    scope = [*item.scope, Scoped(f"{alias}.element", Column("element", array.column.type.removesuffix("[]")))]
    if draw(st.booleans()):
        call = f"unnest({array.text}) with ordinality as {alias}(element, position)"
        scope.append(Scoped(f"{alias}.position", Column("position", "bigint")))
    else:
        call = f"unnest({array.text}) as {alias}(element)"
    return _select(writer, f"{item.sql} cross join {call}", scope, _conditions(writer, scope))


BUILDERS: dict[str, Callable[[Statement, int], Query]] = {
    "select": _select_block,
    "join": _join_block,
    "aggregate": _aggregate_block,
    "left_join": _left_join_block,
    "self_join": _self_join_block,
    "global_aggregate": _global_block,
    "top_n": _top_n_block,
    "union_all": _union_block,
    "exists": _exists_block,
    "distinct": _distinct_block,
    "array_agg": _array_block,
    "unnest": _unnest_block,
}
"""Name of a construct → what writes a query with it. The simplest come first: that is where Hypothesis shrinks to."""
