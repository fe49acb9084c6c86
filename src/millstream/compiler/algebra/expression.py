"""Scalar expressions: sqlglot trees whose columns are attributes, names unique in the whole plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from sqlglot import exp

CLOCKS = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime)
FLIPPED: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}  # a > b is b < a
OWN = "$"  # ends the names of the columns that the engine adds to those of a model, and of nobody else
WEIGHT = f"w{OWN}"  # the column that says how often a changed row was added (> 0) or removed (< 0)


@dataclass(frozen=True)
class Attribute:
    """A column of a plan: its unique name, its PostgreSQL type where known, and whether it may be NULL."""

    name: str
    type: str | None = None
    nullable: bool = True

    @property
    def label(self) -> str:
        """The readable part of the name, which `Names.fresh` numbered."""
        return self.name.rsplit("_", 1)[0]


class Names:
    """Makes attribute names that are unique within one compilation and still readable."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def fresh(self, label: str) -> str:
        """Return a name that was not returned before; PostgreSQL cuts names at 63 bytes, so the label is cut first."""
        return f"{label.encode()[:48].decode(errors='ignore')}_{self.instance()}"

    def renamed(self, attribute: Attribute) -> Attribute:
        """Return the same column under a fresh name with the same label."""
        return replace(attribute, name=self.fresh(attribute.label))

    def instance(self) -> int:
        """Return a number that was not returned before, nor is part of a name: it tells scans of one relation apart."""
        return next(self._numbers)


def column(attribute: Attribute | str, table: str | None = None) -> exp.Column:
    """Return the expression that reads an attribute."""
    name = attribute if isinstance(attribute, str) else attribute.name
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table) if table else None)


def references(expression: exp.Expr) -> frozenset[str]:
    """Return the names of the attributes that an expression reads."""
    return frozenset(node.name for node in expression.find_all(exp.Column) if not node.table)


def plain(expression: exp.Expr) -> str | None:
    """Return the attribute's name where the expression is nothing but that attribute."""
    while isinstance(expression, (exp.Paren, exp.Alias)):
        expression = expression.this
    return expression.name if isinstance(expression, exp.Column) and not expression.table else None


def negation(value: exp.Expr) -> exp.Expr:
    """NOT value."""
    return exp.Not(this=exp.paren(value))


def is_null(value: exp.Expr) -> exp.Expr:
    """Value IS NULL."""
    return exp.Is(this=value.copy(), expression=exp.Null())


def not_null(value: exp.Expr) -> exp.Expr:
    """Value IS NOT NULL."""
    return exp.Not(this=is_null(value))


def transform(expression: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Return a copy with `change` applied to every node, top down; replaced nodes are not entered again."""
    return expression.copy().transform(change, copy=False)


def substitute(expression: exp.Expr, by: Mapping[str, exp.Expr]) -> exp.Expr:
    """Return a copy in which attributes named in `by` are replaced."""

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name in by:
            new = by[node.name].copy()
            return new if isinstance(new, (exp.Column, exp.Literal, exp.Func)) else exp.paren(new)
        return node

    return transform(expression, change)


def conjuncts(expression: exp.Expr | None) -> list[exp.Expr]:
    """Split `a AND (b AND c)` into [a, b, c]; None is the empty conjunction."""
    if expression is None:
        return []
    inner = expression
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.And):
        return conjuncts(inner.left) + conjuncts(inner.right)
    return [inner]


def conjunction(terms: Iterable[exp.Expr]) -> exp.Expr | None:
    """Join terms by AND; None where there are none."""
    found = [exp.paren(term.copy()) if isinstance(term, exp.Or) else term.copy() for term in terms]
    return exp.and_(*found, copy=False, wrap=False) if found else None


def is_equality(term: exp.Expr) -> TypeGuard[exp.EQ]:
    """Tell whether a condition equates two values; x = ANY (list) does not."""
    return isinstance(term, exp.EQ) and not any(
        isinstance(side, (exp.Any, exp.All)) for side in (term.this, term.expression)
    )


Pairs = list[tuple[exp.Expr, exp.Expr]]


def equalities(on: exp.Expr | None, left: frozenset[str], right: frozenset[str]) -> Pairs:
    """Return the pairs (expression over the left side, over the right side) that a join condition equates."""
    return equated(on, left, right, exp.EQ)


def links(on: exp.Expr | None, left: frozenset[str], right: frozenset[str]) -> Pairs:
    """Return the pairs by which rows of the two sides are looked up: also where NULLs are to meet, IS NOT DISTINCT FROM."""
    return equated(on, left, right, exp.EQ, exp.NullSafeEQ)


def equated(on: exp.Expr | None, left: frozenset[str], right: frozenset[str], *by: type[exp.Binary]) -> Pairs:
    """Return the pairs of a join condition that one of these comparisons connects."""
    pairs = []
    for term in conjuncts(on):
        if not isinstance(term, by) or (isinstance(term, exp.EQ) and not is_equality(term)):
            continue
        a, b = references(term.left), references(term.right)
        if a and b and a <= left and b <= right:
            pairs.append((term.left, term.right))
        elif a and b and a <= right and b <= left:
            pairs.append((term.right, term.left))
    return pairs
