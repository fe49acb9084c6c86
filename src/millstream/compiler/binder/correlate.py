"""Bind subqueries: their own plan, and the conditions that tie it to the query around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlglot import exp

from millstream.compiler.algebra.domain import Outer, Unrepeatable
from millstream.compiler.algebra.expression import Attribute, column, plain, references, substitute
from millstream.compiler.algebra.free import free
from millstream.compiler.algebra.named import with_names
from millstream.compiler.algebra.operators import (
    KEYED,
    Join,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    identity,
    names,
    scans,
    walk,
)
from millstream.compiler.algebra.pull import Pulled, by_value, pull
from millstream.compiler.algebra.same import compared
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.common_tables import with_ctes
from millstream.compiler.binder.connect import is_joined, reconnect
from millstream.compiler.binder.scope import Scope
from millstream.compiler.binder.subplan import Subplan
from millstream.compiler.syntax.reads import is_star
from millstream.diagnostics import refuse
from millstream.errors import Refused

Outputs = list[tuple[str, exp.Expr]]


def bind_subplan(
    binder: Binder,
    node: exp.Expr,
    outer: Plan,
    scope: Scope,
    *,
    named: bool = False,
    strict: bool = False,
    closed: bool = False,
) -> Subplan:
    """Bind a subquery that may refer to columns of `scope`, which `outer` has; unless `named`, its columns need no names.

    A `strict` one is tied by equalities alone; the outputs of a `closed` one read nothing outside of it.
    """
    inside = scope
    while isinstance(node, exp.Subquery):
        inside = with_ctes(node, inside)
        node = node.this
    written = node if named else labelled(node)
    plan, shown = binder.query(written, inside)
    outputs: Outputs = [(name, column(attribute)) for name, attribute in shown]
    if not free(plan) & names(outer):
        return stripped(Pulled(plan), outputs)
    if not scans(plan):
        check_each(plan, node, scope.context.path)
        return Subplan(plan, outputs, [], each=True)

    def accepted(sub: Subplan) -> bool:
        read = frozenset[str]().union(*(references(value) for _, value in sub.outputs))
        return sub.sole or not ((strict and sub.loose) or (closed and read & names(outer)))

    return with_tie_columns(uncorrelated(plan, outputs, outer, node, scope, accepted), scope)


def uncorrelated(
    plan: Plan,
    outputs: Outputs,
    outer: Plan,
    node: exp.Expr,
    scope: Scope,
    accepted: Callable[[Subplan], bool],
) -> Subplan:
    """Take what a plan reads of the outer rows out of it: up to its top, and where that will not do, by its values."""
    path, labels = scope.context.path, scope.context.names
    computed: dict[str, exp.Expr] = {}
    plan = with_names(plan, names(outer), labels, computed)
    around = Outer(outer, computed, labels)
    try:
        with suppress(Refused):
            ready = outside(connected(stripped(pull(plan, around), outputs), node, path), around)
            if accepted(ready):
                return ready
        return outside(connected(stripped(by_value(plan, around), outputs), node, path), around)
    except Unrepeatable as error:
        raise refuse("MS042", node, "", path) from error


def connected(sub: Subplan, node: exp.Expr, path: str | None) -> Subplan:
    """Put the inner joins of a subquery in order; refuse what no equality connects."""
    plan = reconnect(sub.plan, node, path)
    for join in walk(plan):
        if isinstance(join, Join) and join.kind != "inner" and not is_joined(join):
            raise refuse("MS015", node, "", path)
    return Subplan(plan, sub.outputs, sub.terms, sub.sole)


def outside(sub: Subplan, outer: Outer) -> Subplan:
    """Write what was computed of the outer row in place of its names."""
    by = {name: outer.value(name) for name in outer.computed}
    terms = [substitute(term, by) for term in sub.terms]
    return Subplan(sub.plan, [(n, substitute(e, by)) for n, e in sub.outputs], terms, sub.sole)


def stripped(pulled: Pulled, outputs: Outputs) -> Subplan:
    """A subquery that only filters and joins, without the projections at its top: they are computed where they are used.

    Of groups and ranks no more is stored than what is used, or rows would change where nothing is seen of it.
    """
    plan, terms = pulled.plan, list(pulled.terms)
    outputs = [(name, in_place(value, pulled.values)) for name, value in outputs]
    while isinstance(plan, Project) and not any(isinstance(p, KEYED) for p in walk(plan)):
        by = {attribute.name: expression for attribute, expression in plan.items}
        outputs = [(name, in_place(value, by)) for name, value in outputs]
        terms = [substitute(term, by) for term in terms]
        plan = plan.input
    return Subplan(plan, outputs, terms, pulled.sole)


def in_place(value: exp.Expr, by: Mapping[str, exp.Expr]) -> exp.Expr:
    """What stands for a column; an expression with it, where it is more."""
    whole = by.get(plain(value) or "")
    return whole.copy() if whole is not None else substitute(value, by)


def with_tie_columns(sub: Subplan, scope: Scope) -> Subplan:
    """Compute the sides of equalities that are expressions as columns of the subquery."""
    inside = names(sub.plan)
    computed: list[tuple[Attribute, exp.Expr]] = []
    terms = []
    for term in sub.terms:
        changed = term.copy()
        both = compared(changed)
        for own, other in pairs_of(both) if both is not None else ():
            read = references(own)
            if plain(own) is None and read and read <= inside and not references(other) & inside:
                attribute = Attribute(scope.context.names.fresh("link"))
                computed.append((attribute, own.copy()))
                own.replace(column(attribute))
        terms.append(changed)
    plan = Project(sub.plan, (*identity(sub.plan), *computed)) if computed else sub.plan
    return Subplan(plan, sub.outputs, terms, sub.sole)


def pairs_of(both: exp.Binary) -> tuple[tuple[exp.Expr, exp.Expr], ...]:
    """Each side of a comparison, with the other."""
    return (both.this, both.expression), (both.expression, both.this)


def check_each(plan: Plan, node: exp.Expr, path: str | None) -> None:
    """Refuse what a subquery of one row outside cannot do: follow the clock, or call Python."""
    for operator in walk(plan):
        if isinstance(operator, TimeFilter):
            raise refuse("MS014", node, "in a subquery of the row outside alone", path)
        if isinstance(operator, UdfProject):
            raise refuse("MS018", node, operator.calls[0][1], path)


def labelled(node: exp.Expr) -> exp.Expr:
    """Return a query whose columns have names, in every branch of a set operation."""
    if isinstance(node, exp.Select):
        return with_labels(node)
    changed = node.copy()
    for part in ("this", "expression") if isinstance(node, exp.SetOperation) else ():
        changed.set(part, labelled(node.args[part]))
    if isinstance(node, exp.Subquery) and node.args.get("alias") is None:
        changed.set("this", labelled(node.this))
    return changed


def with_labels(select: exp.Select) -> exp.Select:
    """Return a SELECT whose columns have names, which nobody gives in an expression, and without a useless LIMIT."""
    changed = select.copy()
    limit = changed.args.get("limit")
    number = limit.expression if isinstance(limit, exp.Limit) else None
    some = isinstance(number, exp.Literal) and number.is_int and int(number.name) > 0
    exists = isinstance(select.parent, exp.Exists)
    if exists and some and not changed.args.get("offset"):
        changed.set("limit", None)  # EXISTS asks for one row only
        changed.set("order", None)
    labels = []
    for position, item in enumerate(changed.expressions, 1):
        whole = is_star(item)
        if whole and exists:
            item = exp.Literal.number(1)  # noqa: PLW2901 - EXISTS looks at no column
        elif whole:
            labels.append(item)
            continue
        labels.append(
            item if isinstance(item, (exp.Alias, exp.Column)) else labelled_as(item, f"value{position}")
        )
    if exists and not labels and not changed.args.get("distinct"):
        labels = [labelled_as(exp.Literal.number(1), "value1")]
    changed.set("expressions", labels)
    return changed


def labelled_as(item: exp.Expr, label: str) -> exp.Alias:
    """Item AS label."""
    return exp.Alias(this=item, alias=exp.to_identifier(label))
