"""What generated SELECT statements are made of: relations, items of FROM, SELECT lists and conditions.

Every statement has one batch meaning, the same in PostgreSQL, DuckDB and RisingWave:

- ROW_NUMBER and array_agg order by every comparable column, so rows that tie are equal; columns that cannot be ordered
  by (arrays, inexact numbers) do not pass through them, nor through DISTINCT and GROUP BY
- joins have at least one equality (RisingWave refuses nested-loop joins in streams)
- `now()` appears only as `column > now() - interval` (or `>=`), AND-ed into the WHERE of the block that reads the column
- NULLs order as in PostgreSQL, or as written; the transpiler spells it out for DuckDB
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from tests.equivalence.scalars import Scoped, expression, pick, predicate
from tests.equivalence.schema import Column
from tests.equivalence.values import INTERVALS, SCALAR_TYPES


@dataclass(frozen=True)
class Relation:
    """Something that a FROM clause can name.

    A `source` table has few rows, however often it is joined with itself. A `single` view has one row at most.
    """

    name: str
    columns: tuple[Column, ...]
    source: bool = False
    single: bool = False


@dataclass(frozen=True)
class Query:
    """A SELECT without its WITH clause, and the columns that it returns."""

    sql: str
    columns: tuple[Column, ...]
    batch: str | None = None  # in PostgreSQL's terms, where they differ
    single: bool = False  # it surely has at most one row


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
    """One statement while it is written: what it may read, its CTEs so far, fresh aliases, and where choices come from.

    `builders` are the kinds of queries that it and its subqueries may be. What PostgreSQL writes otherwise is noted in
    `rewrites`, for the oracles.
    """

    draw: st.DrawFn
    relations: Sequence[Relation]
    builders: Sequence[Builder]
    ctes: list[tuple[str, Query, int]] = field(default_factory=list)  # with how many columns it lists
    rewrites: dict[str, str] = field(
        default_factory=dict
    )  # RisingWave's text → the same in PostgreSQL's terms
    bare: set[str] = field(default_factory=set)  # the relations that stand without an alias somewhere
    _aliases: int = 0

    def alias(self, letter: str = "s") -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def batch(self, sql: str) -> str:
        """A statement of this writer as the oracles read it."""
        for text, same in self.rewrites.items():
            sql = sql.replace(text, same)
        return sql

    def finish(self, query: Query) -> str:
        if not self.ctes:
            return query.sql
        declared = [
            f"{name}{_listing(each.columns[:count])} as ({each.sql})" for name, each, count in self.ctes
        ]
        return f"with {', '.join(declared)} {query.sql}"


Builder = Callable[[Statement, int], Query]
"""Writes a query; the number says how deep subqueries may still nest."""


def nested(writer: Statement, depth: int) -> Query:
    """A query of any kind."""
    return writer.draw(st.sampled_from(writer.builders))(writer, depth)


def choose_item(writer: Statement, depth: int) -> Item:
    """A relation, a subquery or a reference to a (new or earlier) CTE."""
    kinds = ["relation", "relation"] + (["subquery", "cte"] if depth > 0 else [])
    kind = pick(writer.draw, kinds)
    if kind == "relation":
        relation = writer.draw(st.sampled_from(list(writer.relations)))
        if relation.name not in writer.bare and sometimes(writer.draw):
            writer.bare.add(relation.name)  # once in a statement, so that no other one of that name hides it
            return Item(relation.name, relation.name, _scope(relation.name, relation.columns))
        return named(writer, relation.name, relation.columns)
    if kind == "subquery":
        query = nested(writer, depth - 1)
        return unnamed(writer, query) if writer.draw(st.booleans()) else derived(writer, query)
    if not writer.ctes or writer.draw(st.booleans()):
        writer.ctes.append(listed(writer, nested(writer, depth - 1)))
    name, query, _ = writer.draw(st.sampled_from(writer.ctes))
    return named(writer, name, query.columns)


def listed(writer: Statement, query: Query) -> tuple[str, Query, int]:
    """A CTE, and of how many of its columns it lists other names: of none, of some or of all."""
    name = writer.alias("cte")
    count = writer.draw(st.integers(1, len(query.columns))) if writer.draw(st.booleans()) else 0
    renamed = tuple(replace(each, name=writer.alias("y")) for each in query.columns[:count])
    return name, replace(query, columns=(*renamed, *query.columns[count:])), count


def unnamed(writer: Statement, query: Query) -> Item:
    """A subquery without an alias, whose columns have names that nothing else in the statement has."""
    item = derived(writer, query)
    columns = tuple(replace(each.column, name=writer.alias("z")) for each in item.scope)
    pairs = ", ".join(f"{old.text} as {new.name}" for old, new in zip(item.scope, columns, strict=True))
    return Item(f"(select {pairs} from {item.sql})", "", tuple(Scoped(each.name, each) for each in columns))


def _listing(columns: Sequence[Column]) -> str:
    return f" ({', '.join(each.name for each in columns)})" if columns else ""


def named(writer: Statement, name: str, columns: Sequence[Column]) -> Item:
    """A relation under a fresh alias."""
    alias = writer.alias()
    return Item(f"{name} as {alias}", alias, _scope(alias, columns))


def derived(writer: Statement, query: Query) -> Item:
    """A subquery under a fresh alias."""
    alias = writer.alias()
    return Item(f"({query.sql}) as {alias}", alias, _scope(alias, query.columns))


def _scope(alias: str, columns: Sequence[Column]) -> tuple[Scoped, ...]:
    return tuple(Scoped(f"{alias}.{column.name}", column) for column in columns)


def select(
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
            known = chosen.column
            text, column = chosen.text, replace(known, name=name)
        else:
            type_name = pick(draw, SCALAR_TYPES)
            text, column = expression(draw, scope, type_name), Column(name, type_name)
        texts.append(f"{text} as {name}")
        columns.append(column)
    return Query(f"select {', '.join(texts)} from {source}{where_clause(where)}", tuple(columns))


def sometimes(draw: st.DrawFn) -> bool:
    """True in a third of the draws; false when it shrinks."""
    return draw(st.sampled_from((False, False, True)))


def where_clause(conditions: Sequence[str]) -> str:
    return f" where {' and '.join(conditions)}" if conditions else ""


def conditions(writer: Statement, scope: Sequence[Scoped]) -> list[str]:
    """No, one or two conjuncts; where the scope has an instant, one of them may be a temporal filter."""
    draw = writer.draw
    terms = [predicate(draw, scope)] if sometimes(draw) else []
    if instants(scope) and draw(st.sampled_from((False, False, False, True))):
        terms.append(temporal_filter(draw, scope))
    return terms


def instants(scope: Sequence[Scoped]) -> list[Scoped]:
    """The columns that a temporal filter can bound."""
    return [each for each in scope if each.column.type == "timestamptz" and each.column.comparable]


def temporal_filter(draw: st.DrawFn, scope: Sequence[Scoped]) -> str:
    """Keep the rows that are younger than an interval."""
    chosen = draw(st.sampled_from(instants(scope)))
    return f"{chosen.text} {pick(draw, ('>', '>='))} now() - interval '{pick(draw, INTERVALS)}'"


def select_block(writer: Statement, depth: int) -> Query:
    """Filter and project."""
    item = choose_item(writer, depth)
    return select(writer, item.sql, item.scope, conditions(writer, item.scope))


def _direction(draw: st.DrawFn) -> str:
    return pick(draw, ("", " desc", " nulls first", " desc nulls last"))


def total_order(draw: st.DrawFn, columns: Sequence[str]) -> str:
    """Every column, in a drawn order of precedence."""
    permuted = draw(st.permutations(list(columns)))
    return ", ".join(f"{text}{_direction(draw)}" for text in permuted)
