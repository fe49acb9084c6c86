"""Conditions that two columns have the same value, and which column follows from another by one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, is_equality, plain, references

# Types whose equal values are one value: no scale, sign of zero or unit tells them apart.
PLAIN = {
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "text": "text",
    "character varying": "text",
    "boolean": "boolean",
    "date": "date",
    "uuid": "uuid",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


Pair = tuple[Attribute, Attribute]


def agree(pairs: Iterable[Pair], more: Iterable[Pair] = ()) -> list[exp.Expr]:
    """The conditions that columns have the same values; NULL is the same as NULL.

    Where all of `pairs` may be NULL, their hash is compared as well: an index finds a row by it, and a hash join too.
    """
    found = list(pairs)
    terms = [same(left, right) for left, right in found]
    if found and not any(is_equality(term) for term in terms):
        hashes = (hashed([pair[side] for pair in found]) for side in (0, 1))
        terms.insert(0, exp.EQ(**dict(zip(("this", "expression"), hashes, strict=True))))
    return [*terms, *(same(left, right) for left, right in more)]


def same(left: Attribute, right: Attribute) -> exp.Expr:
    """The condition that two columns have the same value. Rows are not looked up by one that NULL meets too."""
    if left.nullable and right.nullable:
        return exp.Not(this=exp.NullSafeNEQ(this=column(left), expression=column(right)))
    return exp.EQ(this=column(left), expression=column(right))


def compared(term: exp.Expr) -> exp.Binary | None:
    """What a condition compares, if it says that two values are the same."""
    if is_equality(term) or isinstance(term, exp.NullSafeEQ):
        return term
    inner = term.this if isinstance(term, exp.Not) else None
    return inner if isinstance(inner, exp.NullSafeNEQ) else None


def hashed(attributes: Iterable[Attribute]) -> exp.Expr:
    """The hash of a row of columns, equal for rows that are the same, NULLs included."""
    row = exp.Anonymous(this="ROW", expressions=[column(attribute) for attribute in attributes])
    return exp.Anonymous(this="hash_record_extended", expressions=[row, exp.Literal.number(0)])


def equated(
    terms: Iterable[exp.Expr], outer: frozenset[str], inside: frozenset[str]
) -> dict[str, tuple[exp.Expr, exp.Expr]]:
    """The outer columns that a term equates with an expression over the columns inside: that expression, and the term."""
    found: dict[str, tuple[exp.Expr, exp.Expr]] = {}
    for term in terms:
        if is_equality(term):
            for own, other in ((term.this, term.expression), (term.expression, term.this)):
                name, read = plain(other), references(own)
                if name in outer and read and read <= inside:
                    found.setdefault(name or "", (own, term))
    return found


def interchangeable(outer: Attribute, inner: Attribute | None) -> bool:
    """Tell whether a column may stand for another that is equal to it."""
    kind = PLAIN.get(outer.type or "")
    return kind is not None and inner is not None and kind == PLAIN.get(inner.type or "")
