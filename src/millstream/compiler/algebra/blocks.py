"""Filters and inner joins as a block: what is joined, and by which conditions."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.domain import Domain, Keys
from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    conjuncts,
    not_null,
    plain,
    references,
    substitute,
)
from millstream.compiler.algebra.free import free
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, identity, names
from millstream.compiler.algebra.restrict import push_filter
from millstream.compiler.algebra.same import equated, interchangeable

Read = frozenset[str]  # outer columns that operators above read, besides the keys


def is_plain(plan: Plan) -> bool:
    """Tell whether a plan is an inner join like any other."""
    return isinstance(plan, Join) and plan.kind == "inner" and not plan.process_time and not plan.nearest


def gather(plan: Plan) -> tuple[list[Plan], list[exp.Expr]]:
    """What the filters and inner joins at the top of a plan join, and their conditions."""
    if isinstance(plan, Filter):
        items, terms = gather(plan.input)
        return items, [*terms, *conjuncts(plan.predicate)]
    if isinstance(plan, Join) and is_plain(plan):
        left, first = gather(plan.left)
        right, second = gather(plan.right)
        return [*left, *right], [*first, *second, *conjuncts(plan.on)]
    return [plan], []


def sunk(items: list[Plan], terms: list[exp.Expr], domain: Domain) -> tuple[list[Plan], list[exp.Expr]]:
    """Put the conditions that tie one item to the domain inside of it, if it reads the domain inside as well."""
    kept: list[exp.Expr] = []
    for term in terms:
        inside = references(term) - domain.names
        at = next((n for n, item in enumerate(items) if inside <= names(item)), None)
        if (
            not inside
            or at is None
            or not references(term) & domain.names
            or not free(items[at]) & domain.names
        ):
            kept.append(term)
            continue
        pushed = push_filter(items[at], term, inside)
        if isinstance(pushed, Filter):
            kept.append(term)
        else:
            items = [*items[:at], pushed, *items[at + 1 :]]
    return items, kept


def replaced(
    items: list[Plan], terms: list[exp.Expr], domain: Domain, read: Read
) -> tuple[Plan, Keys] | None:
    """The block with its own columns in place of the domain's, where it equates each with one; else None."""
    known = {attribute.name: attribute for item in items for attribute in item.columns}
    equal = equated(terms, domain.names, frozenset(known))
    if not domain.names <= set(equal):
        return None
    links = [link for _, link in equal.values()]
    used = read.union(*(references(term) for term in terms if term not in links))
    outer = {attribute.name: attribute for attribute in domain.wanted}
    by = {name: equal[name][0] for name in domain.names}
    if any(
        not interchangeable(outer[name], known.get(plain(by[name]) or "")) for name in domain.names & used
    ):
        return None
    written = [substitute(term, by) for term in terms]
    rows = joined(items, [term for term in written if not is_trivial(term)])
    computed = {name: Attribute(domain.labels.fresh("link")) for name in by if plain(by[name]) is None}
    if computed:
        rows = Project(rows, (*identity(rows), *((a, by[name].copy()) for name, a in computed.items())))
    chosen = {name: computed[name].name if name in computed else plain(by[name]) or "" for name in by}
    nullable = {a.name for a in rows.columns if a.nullable}
    tests = [not_null(column(name)) for name in dict.fromkeys(chosen.values()) if name in nullable]
    if tests:
        rows = Filter(rows, exp.and_(*tests, copy=False))
    made = {attribute.name: attribute for attribute in rows.columns}
    return rows, {name: made[label] for name, label in chosen.items()}


def is_trivial(term: exp.Expr) -> bool:
    """Tell whether a condition compares a column with itself; that it is not NULL is tested apart."""
    return isinstance(term, exp.EQ) and unbracketed(term.this) == unbracketed(term.expression)


def unbracketed(expression: exp.Expr) -> exp.Expr:
    """An expression without brackets around it."""
    while isinstance(expression, exp.Paren):
        expression = expression.this
    return expression


def joined(items: list[Plan], terms: list[exp.Expr]) -> Plan:
    """Join items by conditions; what one item decides is tested on it. `compiler/binder/connect.py` puts them in order."""
    tested = []
    for item in items:
        own = [term for term in terms if references(term) and references(term) <= names(item)]
        predicate = conjunction(own)
        tested.append(Filter(item, predicate) if predicate is not None else item)
        terms = [term for term in terms if term not in own]
    rows, *others = tested
    for item in others:
        rows = Join(rows, item, "inner", None)
    if isinstance(rows, Join) and others:
        return replace(rows, on=conjunction(terms))
    predicate = conjunction(terms)
    return Filter(rows, predicate) if predicate is not None else rows
