"""A bound subquery, and what ties it to the query around it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    is_equality,
    plain,
    references,
    substitute,
)
from millstream.compiler.algebra.operators import Plan, names
from millstream.compiler.algebra.same import compared


@dataclass(frozen=True)
class Link:
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
    def links(self) -> list[Link]:
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
                    found.append(Link(known[name or ""], term))
                    break
        return found

    @property
    def loose(self) -> bool:
        """Whether something else than equalities ties it to the query around it."""
        return len(self.links) < len(self.terms)

    @property
    def condition(self) -> exp.Expr | None:
        return conjunction(self.terms)
