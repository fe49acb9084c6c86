"""Generated on-act views: process-time joins of a driver with relations as of the previous tick.

A driver has one row per key, or none: then it is a bag, whose equal rows were each looked up when they came.

A template names its driver `{driver}` and its right sides `{name}`, so that the engine gets the relations themselves with
`for system_time as of proctime()`, and the tape gets the changed driver rows and the snapshots of the previous tick.

Every template selects all of the driver's columns that it reads, because RisingWave looks a left row up again only when
a column that reaches the join changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.equivalence.blocks import Query, Relation, sometimes
from tests.equivalence.cases import Case, Deploy, Step, Tick, View, beside, histories, used
from tests.equivalence.lenient import may_fail
from tests.equivalence.naming import spellings
from tests.equivalence.queries import statement
from tests.equivalence.scalars import Scoped, pick, predicate
from tests.equivalence.schema import Column, Table, tables
from tests.equivalence.values import INTEGRAL, STRICT_TYPES

AS_OF = " for system_time as of proctime()"
OUTER_KINDS = ("select", "aggregate", "top_n", "distinct", "array_agg", "global_aggregate")


@dataclass(frozen=True)
class Driver:
    """A relation whose changes make an on-act view run: with at most one row per key, or a bag without one."""

    relation: Relation
    key: tuple[str, ...]


@dataclass(frozen=True)
class ActView:
    """An on-act view. `outer`, if any, is deterministic SQL over `{inner}`, the on-act part."""

    name: str
    template: str
    driver: Driver
    rights: tuple[str, ...]
    inner: tuple[Column, ...]
    outer: str | None = None
    materialized: bool = True

    @property
    def inputs(self) -> frozenset[str]:
        return frozenset({self.driver.relation.name, *self.rights})

    @property
    def reads_now(self) -> bool:
        return False

    @property
    def may_fail(self) -> bool:
        return may_fail(self.sql)

    @property
    def sql(self) -> str:
        """What the engine is given, but for the calls of lenient.py."""
        rights = {f"right_{name}": f"{name}{AS_OF}" for name in self.rights}
        inner = self.template.format(driver=self.driver.relation.name, **rights)
        return inner if self.outer is None else self.outer.format(inner=f"({inner})")

    @property
    def tape_sql(self) -> str:
        """What the tape runs for one changed driver row: snapshots instead of relations."""
        rights = {f"right_{name}": snapshot(name) for name in self.rights}
        return self.template.format(driver="driver_row", **rights)


def snapshot(relation: str) -> str:
    """Name of the table that holds a relation as of the previous tick."""
    return f"previous_{relation}"


@dataclass
class Writer:
    """An on-act template while it is written."""

    draw: st.DrawFn
    driver: Driver
    rights: Sequence[Relation]
    used: list[str]

    def driver_scope(self) -> list[Scoped]:
        return [Scoped(f"d.{column.name}", column) for column in self.driver.relation.columns]

    def right(self, alias: str, left: Sequence[Scoped]) -> tuple[str, list[Scoped]] | None:
        """A process-time join with a relation that shares a type with `left`: its text and the scope that it adds."""
        relation = self.draw(st.sampled_from(list(self.rights)))
        scope = [Scoped(f"{alias}.{column.name}", column) for column in relation.columns]
        pairs = [
            (a, b)
            for a in left
            for b in scope
            if a.column.comparable
            and b.column.comparable
            and (a.column.type == b.column.type or {a.column.type, b.column.type} <= INTEGRAL)
        ]
        if not pairs:
            return None
        a, b = self.draw(st.sampled_from(pairs))
        self.used.append(relation.name)
        word = pick(self.draw, ("join", "left join"))
        kind = pick(self.draw, ("=", "=", "=", "is not distinct from", "none"))
        if kind == "none":
            return (
                f" join {{right_{relation.name}}} as {alias} on {predicate(self.draw, (*left, *scope), 0)}",
                scope,
            )
        condition = f"{b.text} {kind} {a.text}"
        if word == "join" and self.draw(st.sampled_from((False, False, True))):
            condition += f" and {predicate(self.draw, scope, 0)}"
        return f" {word} {{right_{relation.name}}} as {alias} on {condition}", scope


def _listing(scope: Sequence[Scoped], first: int = 0) -> tuple[str, tuple[Column, ...]]:
    """Select every column of a scope under the names c0, c1, …"""
    columns = tuple(
        Column(f"c{n}", each.column.type, each.column.exact) for n, each in enumerate(scope, start=first)
    )
    return ", ".join(
        f"{each.text} as {column.name}" for each, column in zip(scope, columns, strict=True)
    ), columns


def _where(writer: Writer, scope: Sequence[Scoped]) -> str:
    if writer.draw(st.sampled_from((False, False, True))):
        return f" where {predicate(writer.draw, scope, 1)}"
    return ""


def _lookup(writer: Writer) -> tuple[str, list[Scoped]] | None:
    """FROM driver with one or two process-time joins in a row."""
    scope = writer.driver_scope()
    source = "{driver} as d"
    for alias in ("p", "q")[: writer.draw(st.sampled_from((1, 1, 2)))]:
        joined = writer.right(alias, scope)
        if joined is None:
            return None
        source, scope = source + joined[0], [*scope, *joined[1]]
    return source, scope


def _unnested(writer: Writer) -> tuple[str, list[Scoped]] | None:
    """FROM the driver's array elements, each looked up."""
    arrays = [each for each in writer.driver_scope() if each.column.type.endswith("[]")]
    if not arrays:
        return None
    array = writer.draw(st.sampled_from(arrays))
    carried, columns = _listing(
        [each for each in writer.driver_scope() if not each.column.type.endswith("[]")]
    )
    element = Column("element", array.column.type.removesuffix("[]"))
    below = (
        f"(select {carried}, u.element as element, u.position as position from {{driver}} as d"
        f" cross join unnest({array.text}) with ordinality as u(element, position)) as r"
    )
    scope = [
        Scoped(f"r.{column.name}", column) for column in (*columns, element, Column("position", "bigint"))
    ]
    joined = writer.right("p", scope)
    if joined is None:
        return None
    return below + joined[0], [*scope, *joined[1]]


def _rows(writer: Writer, *, unnest: bool) -> Query | None:
    """A flat on-act query."""
    found = _unnested(writer) if unnest else _lookup(writer)
    if found is None:
        return None
    source, scope = found
    listing, columns = _listing(scope)
    return Query(f"select {listing} from {source}{_where(writer, scope)}", columns)


def _per_key(writer: Writer, *, unnest: bool) -> Query | None:
    """One row per driver key: GROUP BY the key and something else, then by the key."""
    flat = _rows(writer, unnest=unnest)
    if flat is None:
        return None
    scope = [Scoped(f"f.{column.name}", column) for column in flat.columns]
    carried = [c.name for c in writer.driver.relation.columns if not (unnest and c.type.endswith("[]"))]
    keys = [scope[carried.index(name)] for name in writer.driver.key]
    others = [each for each in scope if each.column.comparable and each not in keys]
    source = f"({flat.sql}) as f"
    grouped, columns = _listing(keys)
    if others and writer.draw(st.booleans()):
        other = writer.draw(st.sampled_from(others))
        inner, _ = _listing([*keys, other])
        group = ", ".join(each.text for each in (*keys, other))
        source = f"(select {inner}, count(*) as n from {source} group by {group}) as g"
        scope = [Scoped(f"g.{column.name}", column) for column in columns]
        last = Scoped(f"g.c{len(keys)}", other.column)
        grouped, columns = _listing(scope)
        order = f"g.n desc, {last.text}"
        aggregates = f"array_agg({last.text} order by {order}) as c{len(keys)}, count(*) as c{len(keys) + 1}"
        made = (Column(f"c{len(keys)}", f"{other.column.type}[]"), Column(f"c{len(keys) + 1}", "bigint"))
        by = ", ".join(each.text for each in scope)
    else:
        aggregates = f"count(*) as c{len(keys)}"
        made = (Column(f"c{len(keys)}", "bigint"),)
        by = ", ".join(each.text for each in keys)
    return Query(f"select {grouped}, {aggregates} from {source} group by {by}", (*columns, *made))


def _united(writer: Writer) -> Query | None:
    """UNION ALL of two strategies over the same driver, counted per key and item, then per key."""
    first, second = _rows(writer, unnest=True), _rows(writer, unnest=True)
    if first is None or second is None:
        return None
    carried = [c.name for c in writer.driver.relation.columns if not c.type.endswith("[]")]
    keys = [f"c{carried.index(name)}" for name in writer.driver.key]
    element = len(carried)
    columns = [*keys, f"c{element}"]
    listing = ", ".join(f"{name} as k{n}" for n, name in enumerate(columns))
    both = " union all ".join(
        f"select {listing}, {n} as strategy from ({each.sql}) as b{n}"
        for n, each in enumerate((first, second))
    )
    names = ", ".join(f"k{n}" for n in range(len(keys)))
    item = f"k{len(keys)}"
    grouped = (
        f"select {names}, {item}, count(*) as n, count(*) filter (where strategy = 0) as zero"
        f" from ({both}) as u group by {names}, {item}"
    )
    outputs = ", ".join(f"k{n} as c{n}" for n in range(len(keys)))
    types = {c.name: c.type for c in writer.driver.relation.columns}
    made = [Column(f"c{n}", types[name]) for n, name in enumerate(writer.driver.key)]
    element_type = first.columns[element].type
    count = len(keys)
    sql = (
        f"select {outputs}, array_agg({item} order by n desc, {item}) as c{count},"
        f" array_agg(zero order by n desc, {item}) as c{count + 1} from ({grouped}) as g group by {names}"
    )
    return Query(sql, (*made, Column(f"c{count}", f"{element_type}[]"), Column(f"c{count + 1}", "bigint[]")))


def _doubled(writer: Writer) -> Query | None:
    """UNION ALL of two lookups of the driver's rows, where they have the same columns."""
    first, second = _rows(writer, unnest=False), _rows(writer, unnest=False)
    if first is None or second is None or first.columns != second.columns:
        return first
    return Query(f"{first.sql} union all {second.sql}", first.columns)


def _template(writer: Writer) -> Query | None:
    if not writer.driver.key:
        return _doubled(writer) if writer.draw(st.booleans()) else _rows(writer, unnest=False)
    kind = pick(writer.draw, ("lookup", "unnest", "lookup per key", "unnest per key", "union"))
    if kind == "union":
        return _united(writer)
    if kind.endswith("per key"):
        return _per_key(writer, unnest=kind.startswith("unnest"))
    return _rows(writer, unnest=kind == "unnest")


def _gathered(draw: st.DrawFn, name: str, over: Table) -> tuple[View, Driver]:
    """A materialized view with one row per key, an array and an instant of its own, like a user's recent items."""
    key = draw(st.sampled_from(over.columns))
    item = draw(st.sampled_from([column for column in over.columns if column.type != "boolean"]))
    order = ", ".join(f"s.{column.name}" for column in over.columns)
    columns = (Column("c0", key.type), Column("c1", f"{item.type}[]"), Column("c2", "bigint"))
    sql = (
        f"select s.{key.name} as c0, array_agg(s.{item.name} order by {order}) as c1, count(*) as c2"
        f" from {over.name} as s group by s.{key.name}"
    )
    view = View(name, sql, columns, materialized=True, inputs=frozenset({over.name}))
    return view, Driver(Relation(name, columns), ("c0",))


def _bag(draw: st.DrawFn, name: str, over: Sequence[Table]) -> tuple[View, Driver]:
    """A materialized view whose rows are not told apart: some columns of a table, or one of two tables in a union."""
    first, second = (draw(st.sampled_from(list(over))) for _ in range(2))
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(first.columns), min_size=1, max_size=2, unique=True))
        listing = ", ".join(f"s.{column.name} as c{n}" for n, column in enumerate(chosen))
        sql, inputs = f"select {listing} from {first.name} as s", {first.name}
    else:
        chosen = [first.columns[0]]
        sql = " union all ".join(f"select s.k as c0 from {table.name} as s" for table in (first, second))
        inputs = {first.name, second.name}
    columns = tuple(Column(f"c{n}", column.type) for n, column in enumerate(chosen))
    view = View(name, sql, columns, materialized=True, inputs=frozenset(inputs))
    return view, Driver(Relation(name, columns), ())


@dataclass(frozen=True)
class ActCase(Case):
    """A case in which some views are on-act."""


@st.composite
def act_cases(draw: st.DrawFn, *, ticks: int = 6, building: bool = False) -> Case:
    """Tables, deterministic views to drive and to be looked up, one or two on-act views, and a history."""
    # The tape tells changed driver rows by DuckDB's values, in which equal ones are the same.
    made_tables = draw(tables(types=STRICT_TYPES, loose=False))
    made: list[View | ActView] = []
    drivers = [Driver(Relation(t.name, t.columns), t.key) for t in made_tables]
    for number in range(draw(st.sampled_from((1, 1, 2)))):
        if sometimes(draw):
            view, driver = _bag(draw, f"driver{number}", made_tables)
        else:
            view, driver = _gathered(draw, f"driver{number}", draw(st.sampled_from(made_tables)))
        made.append(view)
        drivers.append(driver)
    relations = [Relation(t.name, t.columns) for t in made_tables] + [
        driver.relation for driver in drivers[-1:]
    ]
    if draw(st.booleans()):
        query = statement(draw, relations, ("aggregate", "top_n", "select"), 0)
        # A view without now(): on-act views have no temporal filter below them here, so that the tape stays simple.
        if "now()" not in query.sql:
            made.append(
                View(
                    "looked_up",
                    query.sql,
                    query.columns,
                    True,
                    frozenset(r.name for r in relations),
                    query.batch,
                )
            )
            relations.append(Relation("looked_up", query.columns))
    for number in range(draw(st.sampled_from((1, 1, 2)))):
        act = _act_view(draw, f"act{number}", draw(st.sampled_from(drivers[::-1])), relations)
        if act is not None:
            made.append(act)
    read = used(made_tables, made)
    history = draw(_in_order(read, made, ticks, building=building))
    columns = [c.name for t in read for c in t.columns]
    columns += [c.name for each in made for c in (each.columns if isinstance(each, View) else each.inner)]
    names = draw(spellings([t.name for t in read], [each.name for each in made], columns))
    return Case(read, tuple(made), history, names)


@st.composite
def bag_act_cases(draw: st.DrawFn, *, ticks: int = 8, building: bool = False) -> Case:
    """One bag of rows that are equal more often than not, looked up in a table that changes, and a longer history."""
    made_tables = draw(tables(minimum=2, maximum=2, finite=True, timed=False))
    view, driver = _bag(draw, "driver0", made_tables)
    made: list[View | ActView] = [view]
    rights = [Relation(table.name, table.columns) for table in made_tables]
    query = _template(Writer(draw, driver, rights, used_rights := []))
    if query is not None:
        made.append(ActView("act0", query.sql, driver, tuple(dict.fromkeys(used_rights)), query.columns))
    read = used(made_tables, made)
    return Case(read, tuple(made), draw(_in_order(read, made, ticks, building=building)))


def _act_view(draw: st.DrawFn, name: str, driver: Driver, relations: Sequence[Relation]) -> ActView | None:
    writer = Writer(draw, driver, relations, [])
    query = _template(writer)
    if query is None:
        return None
    rights = tuple(dict.fromkeys(writer.used))
    outer = None
    if draw(st.sampled_from((False, False, True))):
        above = statement(draw, [Relation("inner_rows", query.columns)], OUTER_KINDS, 0)
        # One occurrence only: the engine would keep each apart, with the same contents.
        aliased = above.sql.count("inner_rows as ") == above.sql.count("inner_rows") == 1
        if aliased and "now()" not in above.sql:
            outer = above.sql.replace("{", "{{").replace("}", "}}").replace("inner_rows as ", "{inner} as ")
    return ActView(name, query.sql, driver, rights, query.columns, outer)


def _in_order(
    over: Sequence[Table], made: Sequence[View | ActView], ticks: int, *, building: bool
) -> st.SearchStrategy[tuple[Step, ...]]:
    found = histories(over, made, ticks=ticks)
    return found.flatmap(lambda steps: beside(steps, made)) if building else found


__all__ = ["ActView", "Deploy", "Driver", "Tick", "act_cases", "snapshot"]
