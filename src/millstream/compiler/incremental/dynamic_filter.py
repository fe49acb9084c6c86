"""The change rule of a comparison with the one row of another relation."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import WEIGHT, Attribute, column, plain, references, substitute
from millstream.compiler.algebra.operators import Aggregate, Filter, Join, Plan, Project, names

COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE)


def bound_comparison(join: Join) -> tuple[exp.Expr, Attribute] | None:
    """Return (value of the left row, column of the one right row) where a semi join only compares these two."""
    if join.kind != "semi" or not join.single or not isinstance(join.on, COMPARISONS):
        return None
    value, name = join.on.left, plain(join.on.right)
    bound = next((a for a in join.right.columns if a.name == name), None)
    if bound is None or not references(value) or not references(value) <= names(join.left):
        return None
    return value, bound


def differentiate_bound(join: Join, changed: Plan) -> list[Plan]:
    """The left rows that a moving bound passes, with weights; `changed` are the changes of the right side.

        Δσ_{x θ b}(a) = (σ_{x θ new} − σ_{x θ old})(a), for which x lies between old and new

    Where the bound appears or disappears, it is all rows on its true side.
    """
    found = bound_comparison(join)
    assert found is not None
    value, bound = found
    assert isinstance(join.on, exp.Expr)
    old = Attribute(f"{bound.name}_old", bound.type)
    new = Attribute(f"{bound.name}_new", bound.type)
    pair = Aggregate(changed, (), ((old, bound_among(bound, exp.LT)), (new, bound_among(bound, exp.GT))))
    now = substitute(join.on, {bound.name: column(new)})
    then = substitute(join.on, {bound.name: column(old)})
    low, high = (
        exp.func(name, column(old), column(new), dialect="postgres") for name in ("least", "greatest")
    )
    between = [
        exp.GTE(this=value.copy(), expression=low),
        exp.LTE(this=value.copy(), expression=high),
        exp.NEQ(this=exp.paren(now), expression=exp.paren(then)),
    ]
    moved = Filter(pair, exp.and_(is_known(old), is_known(new)))
    appeared = Filter(pair, exp.NEQ(this=exp.paren(is_known(old)), expression=exp.paren(is_known(new))))
    one = substitute(join.on, {bound.name: exp.Coalesce(this=column(new), expressions=[column(old)])})
    return [
        weighted(join, moved, exp.and_(*between), now),
        weighted(join, appeared, one, is_known(new)),
    ]


def bound_among(bound: Attribute, side: type[exp.Binary]) -> exp.Expr:
    """The bound among the rows that went (weights below 0) or came (above 0)."""
    rows = exp.Where(this=side(this=column(WEIGHT), expression=exp.Literal.number(0)))
    gathered = exp.Filter(this=exp.ArrayAgg(this=column(bound)), expression=rows)
    return exp.Bracket(this=exp.Paren(this=gathered), expressions=[exp.Literal.number(1)])


def is_known(attribute: Attribute) -> exp.Expr:
    """Attribute IS NOT NULL."""
    return exp.Not(this=exp.Is(this=column(attribute), expression=exp.Null()))


def weighted(join: Join, bounds: Plan, on: exp.Expr, stays: exp.Expr) -> Plan:
    """The left rows that meet a condition, coming where `stays` holds and going where not."""
    rows = replace(join, right=bounds, kind="inner", on=on, leads="right")
    weight = exp.Case().when(stays, exp.Literal.number(1)).else_(exp.Literal.number(-1))
    passed = tuple((attribute, column(attribute)) for attribute in join.left.columns)
    return Project(rows, (*passed, (Attribute(WEIGHT, "integer", False), weight)))
