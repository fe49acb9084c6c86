"""A bound subquery, and what it may read of the query around it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front.scope import Scope
from millstream.plan.expression import Attribute, conjunction, references
from millstream.plan.nodes import Plan, Project, names


@dataclass(frozen=True)
class Subplan:
    """A bound subquery.

    `links` are (its column, what that must equal outside); `terms` are all conditions that refer to the query around
    it, the links among them. `outputs` are expressions over its columns, and after a join also over those outside.
    `sole` marks an aggregation without GROUP BY: for every row outside it gives one row, even where it reads none.
    """

    plan: Plan
    outputs: list[tuple[str, exp.Expr]]
    links: list[tuple[Attribute, exp.Expr]]
    terms: list[exp.Expr]
    sole: bool = False

    @property
    def correlated(self) -> bool:
        return bool(self.terms)

    @property
    def loose(self) -> bool:
        """Whether something else than equalities ties it to the query around it."""
        return len(self.links) < len(self.terms)

    @property
    def condition(self) -> exp.Expr | None:
        return conjunction(self.terms)

    @property
    def pinned(self) -> frozenset[str]:
        """Its columns that one row outside fixes."""
        return frozenset(attribute.name for attribute, _ in self.links)


def check_inside(plan: Plan, select: exp.Select, inner: Scope) -> None:
    """Refuse outputs that read the query around: they would have to be computed after the join."""
    read: frozenset[str] = frozenset()
    if isinstance(plan, Project):
        read = frozenset().union(*(references(e) for _, e in plan.items)) - names(plan.input)
    if read:
        raise refuse("MS041", select, "in its SELECT list", inner.context.path)


def check_attached(left: Plan, right: Plan, terms: list[exp.Expr], node: exp.Expr, path: str | None) -> None:
    """Refuse conditions that read a query further out than the one around."""
    known = names(left) | names(right)
    if any(references(term) - known for term in terms):
        raise refuse("MS041", node, "over more than one level", path)
