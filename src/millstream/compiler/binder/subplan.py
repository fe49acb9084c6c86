"""A bound subquery, and what ties it to the query around it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    Attribute,
    Names,
    column,
    conjunction,
    is_equality,
    plain,
    references,
    substitute,
)
from millstream.compiler.algebra.operators import Aggregate, Filter, Plan, Project, identity, names
from millstream.compiler.algebra.same import compared
from millstream.diagnostics import refuse


@dataclass(frozen=True)
class Tie:
    """A column of a subquery, and the condition that it is the same as something outside."""

    column: Attribute
    term: exp.Expr

    @property
    def nulls(self) -> bool:
        """Whether NULL is the same as NULL."""
        return not is_equality(self.term)

    def met_by(self, attribute: Attribute) -> exp.Expr:
        """The condition for a column that has the value of this one."""
        return substitute(self.term, {self.column.name: column(attribute)})


@dataclass(frozen=True)
class Subplan:
    """A bound subquery.

    `terms` are all conditions that tie it to the query around it. `outputs` are expressions over its columns, and after a
    join also over those outside. `sole` says that it has one row for every row outside, even where its plan has none.
    `each` says that its plan reads no relation, but the row outside.
    """

    plan: Plan
    outputs: list[tuple[str, exp.Expr]]
    terms: list[exp.Expr]
    sole: bool = False
    each: bool = False

    @property
    def correlated(self) -> bool:
        return bool(self.terms) or self.each

    @property
    def ties(self) -> list[Tie]:
        """The equalities that tie it to the query around it."""
        known = {attribute.name: attribute for attribute in self.plan.columns}
        found = []
        for term in self.terms:
            both = compared(term)
            if both is None:
                continue
            for own, other in ((both.this, both.expression), (both.expression, both.this)):
                name = plain(own)
                if name in known and not references(other) & names(self.plan):
                    found.append(Tie(known[name or ""], term))
                    break
        return found

    @property
    def loose(self) -> bool:
        """Whether something else than equalities ties it to the query around it."""
        return len(self.ties) < len(self.terms)

    @property
    def condition(self) -> exp.Expr | None:
        return conjunction(self.terms)


def distinct_ties(
    sub: Subplan, values: tuple[tuple[Attribute, exp.Expr], ...], labels: Names
) -> tuple[Aggregate, exp.Expr | None]:
    """The distinct values of a subquery and of its ties, and the condition that joins them by the ties."""
    linked = tuple(
        (Attribute(labels.fresh("link"), a.type, a.nullable), column(a))
        for a in (tie.column for tie in sub.ties)
    )
    rows = Project(sub.plan, (*linked, *values))
    on = conjunction(tie.met_by(attribute) for (attribute, _), tie in zip(linked, sub.ties, strict=True))
    return Aggregate(rows, rows.columns, ()), on


def rows_kept(plan: Plan, joined: Plan, condition: exp.Expr) -> Project:
    """Keep the rows of a plan for which a condition over what was joined to them holds, without what was joined."""
    return Project(Filter(joined, condition), identity(plan))


def check_width(node: exp.Expr, sub: Subplan, width: int, path: str | None) -> None:
    """Refuse a subquery with another number of columns than it is compared with."""
    if len(sub.outputs) != width:
        raise refuse("MS043", node, f"{len(sub.outputs)} columns where {width} is compared", path)
