"""Conditions as conjuncts, so that an equality is found wherever a condition says it.

    (k ∧ a) ∨ (k ∧ b)  =  k ∧ (a ∨ b)        ¬(a ∨ b)  =  ¬a ∧ ¬b        ¬(x ≠ y)  =  (x = y)        x IN (y)  =  (x = y)

All of these hold with NULL too.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import conjunction
from millstream.compiler.dialect import write

OPPOSITE: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.NullSafeEQ: exp.NullSafeNEQ,
    exp.NullSafeNEQ: exp.NullSafeEQ,
}


def terms_of(condition: exp.Expr | None) -> list[exp.Expr]:
    """The conjuncts of a condition, those among them that all branches of an OR have in common."""
    if condition is None:
        return []
    inner = condition.unnest()
    if isinstance(inner, exp.Not):
        opposite = negated(inner.this.unnest())
        return terms_of(opposite) if opposite is not None else [inner]
    if isinstance(inner, exp.And):
        return [*terms_of(inner.left), *terms_of(inner.right)]
    if isinstance(inner, exp.Or):
        return factored(branches(inner))
    if isinstance(inner, exp.In) and len(inner.expressions) == 1 and not inner.args.get("query"):
        return [exp.EQ(this=inner.this.copy(), expression=inner.expressions[0].copy())]
    return [inner]


def negated(condition: exp.Expr) -> exp.Expr | None:
    """What NOT makes of a condition where that is a conjunction or a comparison again; None elsewhere."""
    if isinstance(condition, exp.Not):
        found: exp.Expr = condition.this
        return found
    if isinstance(condition, exp.Or):
        left, right = (exp.Not(this=exp.paren(side.copy())) for side in (condition.left, condition.right))
        return exp.And(this=left, expression=right)
    opposite = OPPOSITE.get(type(condition))
    if opposite is None:
        return None
    return opposite(this=condition.this.copy(), expression=condition.expression.copy())


def branches(condition: exp.Expr) -> list[exp.Expr]:
    """Split `a OR (b OR c)` into [a, b, c]."""
    inner = condition.unnest()
    if isinstance(inner, exp.Or):
        return [*branches(inner.left), *branches(inner.right)]
    return [inner]


def factored(alternatives: list[exp.Expr]) -> list[exp.Expr]:
    """The conjuncts of a disjunction: what all its alternatives have in common, then one OR of what is left of them."""
    parts = [terms_of(each) for each in alternatives]
    shared = set.intersection(*({meaning(term) for term in terms} for terms in parts))
    if not shared:
        return [whole(alternatives)]
    common = {meaning(term): term for term in parts[0] if meaning(term) in shared}
    rest = [conjunction(term for term in terms if meaning(term) not in shared) for terms in parts]
    left = [each for each in rest if each is not None]
    return [*common.values(), *([whole(left)] if len(left) == len(rest) else [])]


def whole(alternatives: list[exp.Expr]) -> exp.Expr:
    """One OR of all."""
    found: exp.Expr = exp.or_(*(each.copy() for each in alternatives), copy=False)
    return found


def meaning(term: exp.Expr) -> str:
    """What a term says, whichever side of its = is written first."""
    if isinstance(term, (exp.EQ, exp.NullSafeEQ)):
        sides = sorted(write(side.unnest()) for side in (term.left, term.right))
        return f"{term.key} {' '.join(sides)}"
    return write(term)
