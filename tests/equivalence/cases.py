"""A case: tables, a DAG of views over them, and a history of statements, deployments and ticks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

from tests.equivalence.blocks import Relation
from tests.equivalence.lenient import as_operations, may_fail
from tests.equivalence.naming import Spelling, spellings
from tests.equivalence.queries import BUILDERS, statement
from tests.equivalence.schema import Column, Table, tables
from tests.equivalence.source_model import Row, SourceModel
from tests.equivalence.values import EPOCH, SCALAR_TYPES, Value, literal, values


@dataclass(frozen=True)
class View:
    """A view to deploy. Plain views (`materialized=False`) exist to be expanded in the ones above them."""

    name: str
    sql: str
    columns: tuple[Column, ...]
    materialized: bool
    inputs: frozenset[str]
    batch: str | None = None  # what the oracles run, where RisingWave's text is not PostgreSQL's

    @property
    def reads_now(self) -> bool:
        return "now()" in self.sql

    @property
    def may_fail(self) -> bool:
        return may_fail(self.sql)


@dataclass(frozen=True)
class Insert:
    table: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Delete:
    """Delete the rows whose `column` is not distinct from `value`; every row when `column` is None."""

    table: str
    column: str | None
    value: Value


@dataclass(frozen=True)
class Update:
    """Set `target` to `new` in the rows whose `column` is not distinct from `value`."""

    table: str
    column: str | None
    value: Value
    target: str
    new: Value


@dataclass(frozen=True)
class Deploy:
    view: str


@dataclass(frozen=True)
class Begin:
    """Begin to build a view beside what runs; one that is deployed already is built again, with what reads it."""

    view: str


@dataclass(frozen=True)
class Advance:
    """One more step of the building."""


@dataclass(frozen=True)
class Finish:
    """The building, to its end."""


@dataclass(frozen=True)
class Tick:
    now: datetime


Change: TypeAlias = Insert | Delete | Update
Building: TypeAlias = Begin | Advance | Finish
Step: TypeAlias = Change | Deploy | Building | Tick


def apply(model: SourceModel, change: Change) -> None:
    """Give a statement to the source model."""
    if isinstance(change, Insert):
        model.insert(change.rows)
    elif isinstance(change, Delete):
        model.delete(change.column, change.value)
    else:
        model.update(change.column, change.value, change.target, change.new)


def _script(step: Step, types: Mapping[str, Mapping[str, str]]) -> str:
    """A step as a person would type it."""
    if isinstance(step, Tick):
        return f"-- tick at {step.now:%H:%M:%S}"
    if isinstance(step, Deploy):
        return f"-- deploy {step.view}"
    if isinstance(step, Building):
        return f"-- {step!r}"
    known = types[step.table]
    if isinstance(step, Insert):
        rows = (", ".join(_constants(row, known)) for row in step.rows)
        return f"insert into {step.table} values {', '.join(f'({row})' for row in rows)};"
    where = ""
    if step.column is not None:
        where = f" where {step.column} is not distinct from {literal(step.value, known[step.column])}"
    if isinstance(step, Delete):
        return f"delete from {step.table}{where};"
    return f"update {step.table} set {step.target} = {literal(step.new, known[step.target])}{where};"


def _constants(row: Row, types: Mapping[str, str]) -> Iterator[str]:
    return (
        "null" if value is None else literal(value, each)
        for value, each in zip(row, types.values(), strict=True)
    )


@dataclass(frozen=True)
class Case:
    """What one example runs; `repr` shows it as a script."""

    tables: tuple[Table, ...]
    views: tuple[View, ...]
    steps: tuple[Step, ...]
    spelling: Spelling = field(default_factory=Spelling)  # what the engine calls all this

    def __repr__(self) -> str:
        spell = self.spelling.text
        lines = ["", *(f"{spell(table.ddl)};" for table in self.tables)]
        for view in self.views:
            word = "materialized view" if view.materialized else "view"
            lines.append(f"create {word} {spell(view.name)} as {spell(as_operations(view.sql))};")
        types = {table.name: {column.name: column.type for column in table.columns} for table in self.tables}
        lines += [spell(_script(step, types)) for step in self.steps]
        return "\n  ".join(lines)

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))


def view(name: str, sql: str, relations: Sequence[str], *, materialized: bool = True) -> View:
    """A hand-written view; `relations` are the names that it may read."""
    return View(name, sql, (), materialized, frozenset(each for each in relations if each in sql))


@st.composite
def views(
    draw: st.DrawFn,
    over: Sequence[Table],
    *,
    kinds: Sequence[str] = tuple(BUILDERS),
    maximum: int = 4,
    depth: int = 2,
) -> tuple[View, ...]:
    """One to `maximum` views, each over tables and earlier views; the last is materialized."""
    relations = [Relation(table.name, table.columns, source=True) for table in over]
    made: list[View] = []
    count = draw(st.integers(1, maximum))
    for number in range(count):
        name = f"view{number}"
        # Half of the later views read the views only, so that chains grow deep.
        scope = relations
        if made and draw(st.booleans()):
            scope = relations[len(over) :]
        query = statement(draw, scope, kinds, draw(st.integers(0, depth)))
        materialized = number == count - 1 or draw(st.sampled_from((True, True, False)))
        inputs = frozenset(each.name for each in relations if re.search(rf"\b{each.name}\b", query.sql))
        made.append(View(name, query.sql, query.columns, materialized, inputs, query.batch))
        relations.append(Relation(name, query.columns, single=query.single))
    return tuple(made)


@st.composite
def histories(
    draw: st.DrawFn, over: Sequence[Table], made: Sequence[View], *, ticks: int = 6
) -> tuple[Step, ...]:
    """Statements and ticks, with every view deployed at some moment: before data, after it, or with changes queued."""
    count = draw(st.integers(1, ticks))
    moments: dict[str, int] = {}
    for each in made:
        earliest = max((moments[name] for name in each.inputs if name in moments), default=0)
        own = draw(st.sampled_from((0, 0, 0, 1, 2 * count)))
        moments[each.name] = max(earliest, min(own, 2 * count - 1))
    now = EPOCH
    steps: list[Step] = [Tick(now)]
    for number in range(count):
        steps += [Deploy(each.name) for each in made if moments[each.name] == 2 * number]
        if number == 0:
            # Enough rows that joins match and groups have several members; later statements are small.
            steps += [Insert(each.name, draw(_batch(each, 3, 8))) for each in over]
        steps += [draw(changes(over)) for _ in range(draw(st.integers(0, 5)))]
        steps += [Deploy(each.name) for each in made if moments[each.name] == 2 * number + 1]
        now += draw(
            st.sampled_from((timedelta(), timedelta(minutes=30), timedelta(seconds=1), timedelta(hours=2)))
        )
        steps.append(Tick(now))
    return tuple(steps)


@st.composite
def beside(draw: st.DrawFn, steps: Sequence[Step], made: Sequence[View]) -> tuple[Step, ...]:
    """The same history with views built beside what runs, some for a second time, while it goes on."""
    kept = {each.name for each in made if each.materialized}
    there: list[str] = []
    waiting: list[Step] = []
    result: list[Step] = []
    left = -1  # steps until the building ends; below 0 nothing is built
    for step in steps:
        if isinstance(step, Deploy) and (left >= 0 or waiting):
            waiting.append(step)
            continue
        if isinstance(step, Deploy):
            if step.view in kept and draw(st.booleans()):
                result.append(Begin(step.view))
                left = draw(st.integers(0, 8))
            else:
                result.append(step)
            there.append(step.view)
        else:
            result.append(step)
        again = [name for name in there if name in kept]
        if left < 0 and again and draw(st.integers(0, 3)) == 0:
            result.append(Begin(draw(st.sampled_from(again))))
            left = draw(st.integers(0, 8))
        elif left > 0:
            result += [Advance()] * draw(st.sampled_from((0, 1, 1, 2)))
            left -= 1
        elif left == 0:
            result += [Finish(), *waiting]
            there += [each.view for each in waiting if isinstance(each, Deploy)]
            waiting, left = [], -1
    last = [step for step in steps if isinstance(step, Tick)][-1]
    return (*result, *([Finish(), *waiting, last] if left >= 0 else []))


@st.composite
def changes(draw: st.DrawFn, over: Sequence[Table]) -> Change:
    """One statement against a source relation."""
    table = draw(st.sampled_from(list(over)))
    kind = draw(st.sampled_from(("insert", "insert", "insert", "delete", "update")))
    if kind == "insert":
        return Insert(table.name, draw(_batch(table, 1, 4)))
    column = draw(st.sampled_from((*table.columns, table.columns[0], None)))
    selected = draw(_values(table, column)) if column else None
    name = column.name if column else None
    # Two rows would have one key, where UPDATE changes keys.
    targets = [each for each in table.columns if each.name not in table.key]
    if kind == "delete" or not targets:
        return Delete(table.name, name, selected)
    target = draw(st.sampled_from(targets))
    return Update(table.name, name, selected, target.name, draw(_values(table, target)))


def _batch(table: Table, minimum: int, maximum: int) -> st.SearchStrategy[tuple[Row, ...]]:
    return st.lists(rows(table), min_size=minimum, max_size=maximum).map(tuple)


def rows(table: Table) -> st.SearchStrategy[Row]:
    return st.tuples(*(_values(table, column) for column in table.columns))


def _values(table: Table, column: Column) -> st.SearchStrategy[Value]:
    return values(column.type, nullable=column.name not in table.key, finite=table.finite, loose=table.loose)


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    kinds: Sequence[str] = tuple(BUILDERS),
    maximum: int = 4,
    depth: int = 2,
    ticks: int = 6,
    most_tables: int = 3,
    finite: bool | None = None,
    timed: bool | None = None,
    types: Sequence[str] = SCALAR_TYPES,
    renamed: bool = False,
    building: bool = False,
) -> Case:
    """Tables, views and a history; the limits make histories small and dense where a test needs that.

    With `building` views are built beside what runs.
    """
    made_tables = draw(
        tables(minimum=min(2, most_tables), maximum=most_tables, finite=finite, timed=timed, types=types)
    )
    made_views = draw(views(made_tables, kinds=kinds, maximum=maximum, depth=depth))
    read = used(made_tables, made_views)
    history = draw(histories(read, made_views, ticks=ticks))
    if building:
        history = draw(beside(history, made_views))
    return Case(read, made_views, history, draw(names_of(read, made_views, always=renamed)))


def names_of(
    over: Sequence[Table], made: Sequence[View], *, always: bool = False
) -> st.SearchStrategy[Spelling]:
    """What the engine may call the tables, the views and their columns."""
    columns = [column.name for each in (*over, *made) for column in each.columns]
    return spellings([t.name for t in over], [v.name for v in made], columns, always=always)


def used(over: Sequence[Table], made: Sequence[View]) -> tuple[Table, ...]:
    """The tables that some view reads: statements on others would only dilute a history."""
    return tuple(table for table in over if any(table.name in view.inputs for view in made))
