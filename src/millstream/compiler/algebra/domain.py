"""For which rows outside a correlated subquery is computed: the distinct values of the columns that it reads of them.

After Neumann and Kemper, Unnesting Arbitrary Queries (BTW 2015): instead of once for each outer row, a subquery is computed
once for each of these values, which travel along as columns, and is joined to the outer rows by them. It does no harm if
there are more values than outer rows have: what is computed for them meets no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from millstream.compiler.algebra.copies import fresh_copy
from millstream.compiler.algebra.expression import Attribute, Names, column, plain, references
from millstream.compiler.algebra.keys import unique_key
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    Unnest,
    Window,
    names,
    walk,
)
from millstream.compiler.algebra.same import PLAIN

Items = list[tuple[Attribute, exp.Expr]]
Keys = dict[str, Attribute]  # outer column → the column of a plan that has its value


class Unrepeatable(Exception):
    """The values of a column cannot be read once more: computing them acts, or depends on when it is done."""


class Unreplaced(Exception):
    """A subquery reads a value of the outer row that it compares with none of its own."""


@dataclass(frozen=True)
class Domain:
    """The values as a plan. `keys` are the columns that tell two of them apart; the others follow from these.

    Without a plan there are no values: everything that is read of them has to be replaced by a column that equals it.
    """

    plan: Plan | None
    wanted: tuple[Attribute, ...]
    keys: frozenset[str]
    labels: Names

    @property
    def names(self) -> frozenset[str]:
        """The outer columns whose values it has."""
        return frozenset(a.name for a in (self.plan.columns if self.plan is not None else self.wanted))

    @property
    def replaceable(self) -> bool:
        """Whether columns of a subquery may take the place of its own: it has nothing more than what is read."""
        return self.names == {attribute.name for attribute in self.wanted}

    def copy(self) -> tuple[Plan, Keys]:
        """The values under new names, to be joined somewhere. Raises Unreplaced where there are none."""
        if self.plan is None:
            raise Unreplaced
        copied, _ = fresh_copy(self.plan, self.labels)
        own = (attribute.name for attribute in self.plan.columns)
        return copied, dict(zip(own, copied.columns, strict=True))


@dataclass(frozen=True)
class Outer:
    """The query around a subquery: its plan, and what the subquery compares with computed from its columns, by names."""

    plan: Plan
    computed: dict[str, exp.Expr]
    labels: Names

    @property
    def names(self) -> frozenset[str]:
        """The columns that a subquery may read of it."""
        return names(self.plan) | frozenset(self.computed)

    def attribute(self, name: str) -> Attribute:
        """A column, as the outer rows have it."""
        return next((a for a in self.plan.columns if a.name == name), Attribute(name))

    def value(self, name: str) -> exp.Expr:
        """What a column is for an outer row."""
        return self.computed[name].copy() if name in self.computed else column(name)

    def replacement(self, wanted: frozenset[str]) -> Domain:
        """No values: for a subquery that compares each of these columns with one of its own."""
        return Domain(None, tuple(self.attribute(name) for name in sorted(wanted)), wanted, self.labels)

    def domain(self, wanted: frozenset[str]) -> Domain:
        """The distinct values of some columns. Raises Unrepeatable."""
        asked = tuple(self.attribute(name) for name in sorted(wanted))
        computed = {name: self.computed[name] for name in wanted if name in self.computed}
        read = (wanted - set(computed)).union(*(references(e) for e in computed.values()))
        inside = sorted(read & names(self.plan))
        source, here = smallest(self.plan, frozenset(inside))
        if acts(source):
            raise Unrepeatable
        stored = {attribute.name: attribute for attribute in source.columns}
        items: Items = [(replace(stored[here[name]], name=name), column(here[name])) for name in inside]
        passed = {here[name]: name for name in inside}
        key = unique_key(source) or frozenset()
        more = sorted(key - set(passed))
        if (
            key
            and not any(stored[name].nullable for name in key)
            and (not more or (not all(is_plain(a) for a, _ in items) and set(more) <= names(self.plan)))
        ):
            items += [(stored[name], column(name)) for name in more]
            keys = frozenset(passed.get(name, name) for name in key)
            return Domain(self.with_computed(source, items, computed), asked, keys, self.labels)
        texts = {a.name: self.text(a.name) for a, _ in items if not is_plain(a)}
        computed |= {label: self.computed[label] for label in texts.values()}
        shown = self.with_computed(source, items, computed)
        keys = wanted | frozenset(texts.values())
        columns = tuple(attribute for attribute in shown.columns if attribute.name in keys)
        return Domain(Aggregate(shown, columns, ()), asked, keys, self.labels)

    def text(self, name: str) -> str:
        """Name a column as text, which tells values apart that are equal and not the same: 1.0 and 1.00."""
        value = exp.cast(column(name), "text")
        known = next((label for label, expression in self.computed.items() if expression == value), None)
        label = known or self.labels.fresh("text")
        self.computed[label] = value
        return label

    def with_computed(self, source: Plan, items: Items, computed: Mapping[str, exp.Expr]) -> Project:
        """The columns that are read, and what is computed from them."""
        rows = Project(source, tuple(items))
        if not computed:
            return rows
        passed = ((attribute, column(attribute)) for attribute in rows.columns)
        return Project(rows, (*passed, *((Attribute(n), e.copy()) for n, e in sorted(computed.items()))))


def is_plain(attribute: Attribute) -> bool:
    """Tell whether equal values of a column are one value, and short."""
    return attribute.type in PLAIN


def acts(plan: Plan) -> bool:
    """Tell whether a plan depends on when it is computed: it calls Python or has a process-time join."""
    return any(isinstance(p, UdfProject) or (isinstance(p, Join) and p.process_time) for p in walk(plan))


def smallest(plan: Plan, wanted: frozenset[str]) -> tuple[Plan, dict[str, str]]:
    """The smallest part of a plan that has some columns, with their names there: below joins, and below what acts."""
    here = {name: name for name in wanted}
    found, best = plan, (plan, here)
    below_join = False
    while True:
        inside = set(here.values())
        if isinstance(found, Join):
            side = side_of(found, inside)
            if side is None:
                return best
            found, below_join = side, True
        elif isinstance(found, Project):
            passed = {a.name: plain(e) for a, e in found.items}
            sources = {name: passed[label] for name, label in here.items()}
            if None in sources.values():
                return best
            here = {name: source or "" for name, source in sources.items()}
            found = found.input
        elif isinstance(found, (Filter, TimeFilter, UdfProject, Unnest, Lateral, Window)):
            if not inside <= names(found.input):
                return best
            found = found.input
        else:
            return best
        if below_join or acts(best[0]):
            best, below_join = (found, here), False


def side_of(join: Join, inside: set[str]) -> Plan | None:
    """The side of a join that has all of some columns, with at least the values that the join shows."""
    if join.kind != "full" and inside <= names(join.left):
        return join.left
    free = join.kind == "inner" and not join.process_time
    return join.right if free and inside <= names(join.right) else None
