"""The operators. A plan is a tree of them; its leaves are scans of stored relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, conjuncts, plain


def without_nulls(columns: tuple[Attribute, ...], predicate: exp.Expr | None) -> tuple[Attribute, ...]:
    """Mark the columns that a predicate, being true, shows not to be NULL."""
    known: set[str | None] = set()
    for term in conjuncts(predicate):
        if isinstance(term, (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NEQ)):
            known |= {plain(term.left), plain(term.right)}
        elif (
            isinstance(term, exp.Not)
            and isinstance(term.this, exp.Is)
            and isinstance(term.this.expression, exp.Null)
        ):
            known.add(plain(term.this.this))
        elif isinstance(term, exp.Is) and term.args.get("negate") and isinstance(term.expression, exp.Null):
            known.add(plain(term.this))
        elif isinstance(term, exp.In):
            known.add(plain(term.this))
    return tuple(replace(each, nullable=False) if each.name in known else each for each in columns)


@dataclass(frozen=True)
class Relation:
    """A stored relation: a source table or a node's state table.

    `columns` are (name, PostgreSQL type, nullable). `key` names columns that identify a row, empty where rows are a
    bag. `guard` names a boolean column that is false for rows that exist in the state but not in the result. `single`
    says that there is never more than one row, `append_only` that rows only come.
    """

    name: str
    columns: tuple[tuple[str, str, bool], ...]
    key: tuple[str, ...] = ()
    guard: str | None = None
    single: bool = False
    append_only: bool = False


class Side(Enum):
    """Which image of a relation a scan reads."""

    STATE = "state"  # the stored rows, as they are at that moment of the tick
    DELTA = "delta"  # the changed rows of this tick, with their weight
    PREVIOUS = "previous"  # the stored rows with this tick's changes undone


@dataclass(frozen=True)
class Fit:
    """How long a value over stored columns may be, its type, and the model that cannot take longer ones."""

    value: str
    bytes: int
    type: str
    model: str


@dataclass(frozen=True)
class Scan:
    """Read a relation. `instance` tells the occurrences of one relation in a plan apart.

    `fits` are the columns whose values must fit an index; rows in which one does not are not read (compiler/postgres/fitting.py).
    """

    relation: Relation
    columns: tuple[Attribute, ...]
    instance: int
    names: tuple[str, ...]  # the relation's column for each attribute
    side: Side = Side.STATE
    fits: tuple[Fit, ...] = ()


@dataclass(frozen=True)
class Values:
    """Constant rows; one row without columns is what a SELECT without FROM reads."""

    rows: tuple[tuple[exp.Expr, ...], ...]
    columns: tuple[Attribute, ...]


ONE_ROW = Values(((),), ())


@dataclass(frozen=True)
class Filter:
    """σ: keep the rows for which the predicate is true."""

    input: Plan
    predicate: exp.Expr

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return without_nulls(self.input.columns, self.predicate)


@dataclass(frozen=True)
class TimeFilter:
    """σ with now(): keep rows while `value comparison bound` holds, where only `bound` mentions now()."""

    input: Plan
    value: exp.Expr
    comparison: type[exp.Binary]
    bound: exp.Expr
    clock: str = "now"  # which reading of the clock: 'now' of this tick or 'then' of the one before

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return self.input.columns

    @property
    def predicate(self) -> exp.Expr:
        return self.comparison(this=self.value.copy(), expression=self.bound.copy())


@dataclass(frozen=True)
class Project:
    """π: compute columns row by row."""

    input: Plan
    items: tuple[tuple[Attribute, exp.Expr], ...]

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return tuple(attribute for attribute, _ in self.items)


@dataclass(frozen=True)
class Join:
    """⋈ of kind inner, left, full, semi or anti. A process-time join reads its right side as of the previous tick.

    `single` says that the right side has at most one row. `nearest` orders the right rows that a left row meets; only
    the first of them is joined (inner or left). Where one side is known to be small, because it holds changes, `leads` names it ('left' or 'right'): the other side
    is looked up for each of its rows, whatever the planner believes of their sizes.
    """

    left: Plan
    right: Plan
    kind: str
    on: exp.Expr | None
    process_time: bool = False
    leads: str | None = None
    single: bool = False
    nearest: tuple[exp.Expr, ...] = ()

    @property
    def columns(self) -> tuple[Attribute, ...]:
        if self.kind in ("semi", "anti"):
            return self.left.columns
        if self.kind == "full":
            return tuple(replace(column, nullable=True) for column in self.left.columns + self.right.columns)
        if self.kind == "left":
            return self.left.columns + tuple(replace(column, nullable=True) for column in self.right.columns)
        return without_nulls(self.left.columns + self.right.columns, self.on)


@dataclass(frozen=True)
class Unnest:
    """μ: the rows that set-returning functions make of each row, in step; the shorter ones are filled with NULL.

    `elements` are the columns of each call, `ordinality` numbers the rows from 1. `outer` keeps a row of which the
    functions make none, with NULLs.
    """

    input: Plan
    calls: tuple[exp.Expr, ...]
    elements: tuple[tuple[Attribute, ...], ...]
    ordinality: Attribute | None
    outer: bool = False

    @property
    def columns(self) -> tuple[Attribute, ...]:
        made = tuple(attribute for each in self.elements for attribute in each)
        return self.input.columns + made + ((self.ordinality,) if self.ordinality else ())


@dataclass(frozen=True)
class Lateral:
    """⋈ with a plan that reads no relation, only the columns of the row that it is joined to: row by row, like μ.

    `outer` keeps a row for which the plan has none, with NULLs.
    """

    input: Plan
    rows: Plan
    outer: bool = False

    @property
    def columns(self) -> tuple[Attribute, ...]:
        made = self.rows.columns
        return self.input.columns + (tuple(replace(a, nullable=True) for a in made) if self.outer else made)


@dataclass(frozen=True)
class UnionAll:
    """⊎: the rows of all inputs; input columns correspond by position."""

    inputs: tuple[Plan, ...]
    columns: tuple[Attribute, ...]


@dataclass(frozen=True)
class First:
    """The first `count` rows in an order. Only what computes a key again has it, in the place of ranks (compiler/algebra/first.py)."""

    input: Plan
    order: tuple[exp.Expr, ...]
    count: int

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return self.input.columns


@dataclass(frozen=True)
class Aggregate:
    """γ: one row per group. `keys` are columns of the input; no keys means one row, even of an empty input.

    `pinned` names keys that have one value in the whole input.
    """

    input: Plan
    keys: tuple[Attribute, ...]
    items: tuple[tuple[Attribute, exp.Expr], ...]
    pinned: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return self.keys + tuple(attribute for attribute, _ in self.items)


@dataclass(frozen=True)
class Window:
    """Add window function results, all over the same PARTITION BY and ORDER BY.

    `ties` continue the order where rows tie in it, so that every computation gives the same result.
    """

    input: Plan
    partition: tuple[Attribute, ...]
    order: tuple[exp.Expr, ...]
    items: tuple[tuple[Attribute, exp.Expr], ...]  # the functions, without their OVER
    frame: exp.Expr | None = None
    ties: tuple[exp.Expr, ...] = ()

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return self.input.columns + tuple(attribute for attribute, _ in self.items)


@dataclass(frozen=True)
class UdfProject:
    """Add the results of Python functions, each called once per row."""

    input: Plan
    calls: tuple[tuple[Attribute, str, tuple[exp.Expr, ...]], ...]

    @property
    def columns(self) -> tuple[Attribute, ...]:
        return self.input.columns + tuple(attribute for attribute, _, _ in self.calls)


Plan = (
    Scan
    | Values
    | Filter
    | TimeFilter
    | Project
    | Join
    | Unnest
    | Lateral
    | UnionAll
    | First
    | Aggregate
    | Window
    | UdfProject
)

ROW_WISE = (Filter, Project, TimeFilter, Unnest, Lateral)
KEYED = (Aggregate, Window)


def inputs(plan: Plan) -> tuple[Plan, ...]:
    """Return the plans directly below."""
    if isinstance(plan, (Scan, Values)):
        return ()
    if isinstance(plan, Join):
        return (plan.left, plan.right)
    if isinstance(plan, UnionAll):
        return plan.inputs
    return (plan.input,)


def with_inputs(plan: Plan, below: tuple[Plan, ...]) -> Plan:
    """Return the same operator over other inputs."""
    if isinstance(plan, (Scan, Values)):
        return plan
    if isinstance(plan, Join):
        return replace(plan, left=below[0], right=below[1])
    if isinstance(plan, UnionAll):
        return replace(plan, inputs=below)
    return replace(plan, input=below[0])


def walk(plan: Plan) -> Iterator[Plan]:
    """Yield the plan and everything below it, top down."""
    yield plan
    for below in inputs(plan):
        yield from walk(below)


def scans(plan: Plan) -> list[Scan]:
    """Return the leaves from left to right."""
    return [node for node in walk(plan) if isinstance(node, Scan)]


def names(plan: Plan) -> frozenset[str]:
    """Return the names of a plan's columns."""
    return frozenset(attribute.name for attribute in plan.columns)


def identity(plan: Plan) -> tuple[tuple[Attribute, exp.Expr], ...]:
    """Return projection items that pass every column of a plan on."""
    return tuple((attribute, column(attribute)) for attribute in plan.columns)
