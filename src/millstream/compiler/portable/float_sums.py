"""Refuse that a sum of floating-point numbers decides anything: its last digits depend on the order of its rows.

Addition of double precision is not associative, and no engine promises an order: (a + b) + c and a + (b + c) may differ in the
last digit. A column that shows such a sum is right on both engines. An order, a condition or a key made of it is not: where two
sums are equal on one engine, or round to the same, they differ on the other, and rows change places, appear or are missing.
Rounding moves the edge at which that happens and does not remove it.

A sum stays one through expressions, subqueries and stored models. A smallest or largest of such sums is one too, and shown like one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Window,
    inputs,
)
from millstream.compiler.binder.model import bind_model
from millstream.compiler.binder.scope import Context, Place
from millstream.compiler.binder.written_types import Known, typed
from millstream.compiler.portable.aggregates import name_of
from millstream.compiler.syntax.aggregate_calls import bare
from millstream.compiler.syntax.set_calls import name_of as name_of_set
from millstream.compiler.syntax.types import PREDICATES
from millstream.diagnostics import refuse
from millstream.diagnostics.refusal import place
from millstream.errors import Refused

Definition = Callable[[str], str | None]  # the SELECT of a stored relation; None where it is a table
ADDING = (
    "sum",
    "avg",
    "var",
    "stddev",
    "covar",
    "corr",
    "regr",
)  # how the names of aggregates that add begin
FLOATS = ("real", "double precision")
CONNECTIVES = (exp.And, exp.Or, exp.Not, exp.Boolean)


@dataclass
class Sums:
    """One plan while it is looked through from its leaves up. Names of attributes are unique in it.

    `types` are those of the columns, where they are certain; `found` are the columns that hold a sum, and the place to show;
    `stored` are such columns of stored relations, once they were looked for.
    """

    definition: Definition
    context: Context
    types: Known = field(default_factory=dict)
    found: dict[str, Place] = field(default_factory=dict)
    stored: dict[str, frozenset[str]] = field(default_factory=dict)

    def decisions(self, plan: Plan) -> Iterator[Refused]:
        """Yield a refusal for everything that a sum decides in a plan; afterwards `found` has all columns that hold one."""
        for below in inputs(plan):
            yield from self.decisions(below)
        match plan:
            case Scan():
                self.read(plan)
            case Filter() | TimeFilter():
                yield from self.decided("a condition", plan.predicate)
            case Join():
                yield from self.decided("a join", *([plan.on] if plan.on is not None else []))
                yield from self.decided("an order", *plan.nearest)
            case Lateral():
                yield from self.decisions(plan.rows)
            case UnionAll():
                self.unite(plan)
            case First():
                yield from self.decided("an order", *plan.order)
            case Aggregate():
                yield from self.of_keys(plan.keys)
                yield from self.computed(plan.items)
            case Window():
                yield from self.of_keys(plan.partition)
                yield from self.decided("an order", *plan.order)
                yield from self.computed(plan.items)
            case Project():
                yield from self.computed(plan.items)
            case Unnest():
                yield from self.unfolded(plan)
            case UdfProject():
                for _, _, arguments in plan.calls:
                    yield from self.decided("a call of a Python function", *arguments)

    def read(self, scan: Scan) -> None:
        """The columns of a stored relation; those of a model are what its SELECT makes of them."""
        held = self.sums_of(scan.relation.name)
        for attribute, stored in zip(scan.columns, scan.names, strict=True):
            self.types[attribute.name] = attribute.type
            if stored in held:
                self.found[attribute.name] = self.context.places.get(attribute.name, (exp.Null(), None))

    def sums_of(self, relation: str) -> frozenset[str]:
        """The columns of a stored relation that hold a sum: its SELECT is bound again, and those of what it reads."""
        sql = self.definition(relation)
        if relation not in self.stored and sql is not None:
            inner = Sums(self.definition, Context(self.context.catalog), stored=self.stored)
            try:
                plan, outputs = bind_model(sql, inner.context)
                list(inner.decisions(plan))
            except Refused:  # what it reads is another by now: it is deployed again, and looked at then
                outputs = []
            self.stored[relation] = frozenset(
                label for label, column in outputs if column.name in inner.found
            )
        return self.stored.get(relation, frozenset())

    def unite(self, plan: UnionAll) -> None:
        """A column of a union holds a sum where that of one branch does."""
        for number, attribute in enumerate(plan.columns):
            columns = [branch.columns[number].name for branch in plan.inputs]
            self.types[attribute.name] = attribute.type or next(
                (type_ for name in columns if (type_ := self.types.get(name))), None
            )
            held = [self.found[name] for name in columns if name in self.found]
            if held:
                self.found[attribute.name] = held[0]

    def unfolded(self, plan: Unnest) -> Iterator[Refused]:
        """The elements of a list of sums are sums; a series to a sum has as many rows as that says."""
        for call, elements in zip(plan.calls, plan.elements, strict=True):
            if not isinstance(call, exp.Unnest) and name_of_set(call) != "unnest":
                yield from self.decided("how many rows there are", call)
            for attribute in elements:
                yield from self.computed(((attribute, call),))

    def computed(self, items: tuple[tuple[Attribute, exp.Expr], ...]) -> Iterator[Refused]:
        """Values, some of which add, and what is decided inside of them."""
        for attribute, value in items:
            yield from self.inside(value)
            is_float = self.is_float(value)
            self.types[attribute.name] = (
                attribute.type or typed(value, self.types) or ("double precision" if is_float else None)
            )
            call = bare(value)
            adds = isinstance(call, exp.Func) and name_of(call).startswith(ADDING) and is_float
            held = value if adds else self.held(value)
            if held is not None:
                known = place(value)[0] is not None
                inherited = self.found[held.name] if isinstance(held, exp.Column) else (value, None)
                self.found[attribute.name] = (value, self.context.path) if known else inherited

    def inside(self, value: exp.Expr) -> Iterator[Refused]:
        """The comparisons, orders and keys inside of a value."""
        for node in value.walk():
            if isinstance(node, exp.Ordered):
                yield from self.decided("an order", node)
            elif isinstance(node, exp.Distinct):
                yield from self.decided("what is distinct", *node.expressions)
            elif isinstance(node, exp.Case) and node.this is not None:
                yield from self.decided("a condition", node.this)
            elif isinstance(node, PREDICATES) and not isinstance(node, CONNECTIVES):
                yield from self.decided("a condition", node)

    def of_keys(self, keys: tuple[Attribute, ...]) -> Iterator[Refused]:
        """The columns that make groups, DISTINCT and partitions."""
        for key in keys:
            if key.name in self.found:
                yield self.refusal("a key", None, key.name)

    def decided(self, what: str, *by: exp.Expr) -> Iterator[Refused]:
        """Refuse that one of these expressions reads a sum."""
        for expression in by:
            held = self.held(expression)
            if held is not None:
                yield self.refusal(what, expression, held.name)

    def refusal(self, what: str, node: exp.Expr | None, name: str) -> Refused:
        """The refusal at the expression that decides, or where that has no place, at the sum."""
        where, path = self.found[name]
        if place(node)[0] is not None:
            where, path = node or where, self.context.path
        return refuse("MS084", where, what, path or self.context.path)

    def held(self, expression: exp.Expr) -> exp.Column | None:
        """The first column with a sum that the value of an expression depends on, by more than being NULL or not."""
        for node in expression.walk(prune=is_about_null):
            if isinstance(node, exp.Column) and not node.table and node.name in self.found:
                above = node.find_ancestor(exp.Is, exp.Count)
                if above is None or not is_about_null(above):
                    return node
        return None

    def is_float(self, value: exp.Expr) -> bool:
        """Tell whether a value is a floating-point number, or a list of them, as far as its form tells."""
        value = value.unnest()
        type_ = typed(value, self.types)
        if type_ is not None:
            return type_.startswith(FLOATS)
        if isinstance(value, (exp.Cast, exp.Order, exp.Ordered)):
            return not isinstance(value, exp.Cast) and self.is_float(value.this)
        parts = [part for part in value.iter_expressions() if not isinstance(part, PREDICATES)]
        if isinstance(value, (exp.Filter, exp.WithinGroup)):
            parts = [value.this]
        return any(map(self.is_float, parts))


def is_about_null(node: exp.Expr) -> bool:
    """Tell whether only being NULL or not matters of what is inside."""
    counts = isinstance(node, exp.Count) and not isinstance(node.this, exp.Distinct)
    return counts or (isinstance(node, exp.Is) and isinstance(node.expression, exp.Null))


def of_sums(plan: Plan, context: Context, definition: Definition) -> Iterator[Refused]:
    """Refuse what a sum of floating-point numbers decides in a plan."""
    yield from Sums(definition, context).decisions(plan)
