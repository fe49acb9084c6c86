"""Render a join of two rendered sides, as a lookup where one of them leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from sqlglot import exp

from millstream.compiler.algebra.expression import conjunction, conjuncts, equalities, equated, links
from millstream.compiler.algebra.operators import Join, names
from millstream.compiler.postgres.layout import clause, lines, nested, union_all, where
from millstream.compiler.postgres.scalar import scalar

MOST_WAYS = 3  # comparisons of NULLs for each of which a lookup is written twice; more are only tested
EXISTS = {"semi": "EXISTS", "anti": "NOT EXISTS"}
JOINS = {"left": "LEFT JOIN", "full": "FULL JOIN"}


def render_join(join: Join, left: str, right: str) -> str:
    """Inner, left and full joins as they are; semi and anti joins as [NOT] EXISTS; lookups where one side leads.

    PostgreSQL can hash and merge by equality alone: where only NULLs that meet connect the sides, rows are looked up.
    """
    sides = names(join.left), names(join.right)
    pairs = links(join.on, *sides)
    if join.leads is not None and (pairs or (join.single and join.kind == "inner")):
        return render_lookup(join, left, right)
    if join.nearest or (pairs and not equalities(join.on, *sides)):
        return render_lookup(replace(join, leads="left"), left, right)
    on = scalar(join.on) if join.on is not None else "true"
    leading = lines("SELECT *", f"FROM {nested(left)} AS l")
    if join.kind in EXISTS:
        met = lines("SELECT 1", f"FROM {nested(right)} AS r", where([on]))
        return lines(leading, f"WHERE {EXISTS[join.kind]} {nested(met)}")
    return lines(leading, f"{JOINS.get(join.kind, 'JOIN')} {nested(right)} AS r ON {on}")


def render_lookup(join: Join, left: str, right: str) -> str:
    """Look the other side up for each row of the leading one.

    OFFSET 0 keeps PostgreSQL from choosing another order: a plan that it made while a table was empty would be a full
    scan for each changed row once the table has grown. A semi join that its right side leads gives every left row
    whose equality meets a right row; what else the condition says is left out, so there may be more rows than needed.
    """
    met = ways(conjuncts(join.on))
    if join.leads == "right" and join.kind == "inner":
        rows = lines(looked_up(left, "l", met), "OFFSET 0")
        return lines("SELECT *", f"FROM {nested(right)} AS r", f"CROSS JOIN LATERAL {nested(rows)} AS l")
    if join.leads == "right":
        keys, same = by_key(join)
        asked = lines(clause("SELECT DISTINCT", keys), f"FROM {nested(right)} AS r")
        rows = lines(looked_up(left, "l", ways(same)), "OFFSET 0")
        return lines("SELECT l.*", f"FROM {nested(asked)} AS j", f"CROSS JOIN LATERAL {nested(rows)} AS l")
    rows = lines(looked_up(right, "r", met), first(join))
    leading = lines("SELECT *", f"FROM {nested(left)} AS l")
    if join.kind in EXISTS:
        return lines(leading, f"WHERE {EXISTS[join.kind]} {nested(rows)}")
    if join.kind == "left":
        return lines(leading, f"LEFT JOIN LATERAL {nested(rows)} AS r ON true")
    return lines(leading, f"CROSS JOIN LATERAL {nested(rows)} AS r")


def first(join: Join) -> str:
    """The row that an ASOF join takes, else all."""
    if not join.nearest:
        return "OFFSET 0"
    return lines(clause("ORDER BY", [scalar(term) for term in join.nearest]), "LIMIT 1")


def looked_up(rows: str, alias: str, conditions: Sequence[str]) -> str:
    """The rows that meet one of several conditions, which exclude each other."""
    return union_all(
        lines("SELECT *", f"FROM {nested(rows)} AS {alias}", where([each])) for each in conditions
    )


def by_key(join: Join) -> tuple[list[str], list[exp.Expr]]:
    """What the right side has of the keys of a join, as columns, and the conditions that left rows have them too."""
    keys: list[str] = []
    same: list[exp.Expr] = []
    for kind in (exp.EQ, exp.NullSafeEQ):
        for a, b in equated(join.on, names(join.left), names(join.right), kind):
            name = f"k{len(keys)}"
            keys.append(f"{scalar(b)} AS {name}")
            same.append(kind(this=a.copy(), expression=exp.column(name, table="j")))
    return keys, same


def ways(terms: list[exp.Expr]) -> list[str]:
    """A condition as several that exclude each other, one for each way in which NULLs can meet in it.

    No index serves IS NOT DISTINCT FROM. But either both sides are equal or both are NULL, and an index serves each.
    """
    safe = [t for t in terms if isinstance(t, exp.NullSafeEQ) and links_rows(t)][:MOST_WAYS]
    rest = [term for term in terms if not any(term is each for each in safe)]
    made = []
    for equal in product((True, False), repeat=len(safe)):
        met = [
            exp.EQ(this=term.this, expression=term.expression) if here else both_null(term)
            for term, here in zip(safe, equal, strict=True)
        ]
        condition = conjunction([*met, *rest])
        made.append(scalar(condition) if condition is not None else "true")
    return made


def links_rows(term: exp.NullSafeEQ) -> bool:
    """Tell whether both sides of a comparison read columns."""
    return all(side.find(exp.Column) is not None for side in (term.this, term.expression))


def both_null(term: exp.NullSafeEQ) -> exp.Expr:
    """Neither side has a value."""
    sides = (term.this, term.expression)
    return exp.and_(
        *(exp.Is(this=exp.paren(each.copy()), expression=exp.Null()) for each in sides), copy=False
    )
