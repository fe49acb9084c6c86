"""Bind what follows a SELECT list: DISTINCT, DISTINCT ON, ORDER BY with LIMIT, OFFSET or FETCH, as top-N operators."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column
from millstream.compiler.algebra.keys import is_total, tie_break
from millstream.compiler.algebra.operators import Aggregate, Filter, Plan, Project, Window
from millstream.compiler.binder.scope import Context
from millstream.compiler.dialect import write
from millstream.compiler.syntax.identifiers import alike
from millstream.diagnostics import refuse

Items = list[tuple[str, exp.Expr]]
HIDDEN = ""  # the name of an item that only ORDER BY or DISTINCT ON needs


@dataclass(frozen=True)
class Ordering:
    """DISTINCT, ORDER BY and LIMIT over the columns of a SELECT list, by their numbers."""

    node: exp.Expr
    distinct: bool = False
    on: tuple[int, ...] = ()
    terms: tuple[tuple[int, exp.Ordered], ...] = ()
    limit: int | None = None
    offset: int = 0
    with_ties: bool = False

    @property
    def limited(self) -> bool:
        return self.limit is not None or self.offset > 0


def read_ordering(query: exp.Query, items: Items, context: Context) -> tuple[Ordering, Items]:
    """Read the clauses of a query; return them with the SELECT list, to which hidden columns may be added.

    A bare name in ORDER BY means an output column first, then a column of FROM, as in PostgreSQL.
    """
    path = context.path
    items = list(items)
    visible = len(items)

    def number(term: exp.Expr) -> int:
        while isinstance(term, exp.Paren):
            term = term.this
        if isinstance(term, exp.Literal) and term.is_int:
            if not 0 < int(term.name) <= visible:
                raise refuse("MS003", term, f"number {term.name} of the SELECT list", path)
            return int(term.name) - 1
        names = [name for name, _ in items[:visible]]
        if isinstance(term, exp.Column) and not term.table and term.name in names:
            return names.index(term.name)
        for position, (_, item) in enumerate(items):
            if alike(item, term):
                return position
        if not isinstance(query, exp.Select):
            raise refuse("MS003", term, write(term), path)
        items.append((HIDDEN, term))
        return len(items) - 1

    distinct, order = query.args.get("distinct"), query.args.get("order")
    on = distinct.args.get("on") if isinstance(distinct, exp.Distinct) else None
    chosen = tuple(number(term) for term in on.expressions) if on is not None else ()
    limit, with_ties = read_limit(query.args.get("limit"), path)
    offset = read_number(query.args.get("offset"), "OFFSET", path) or 0
    terms = tuple((number(term.this), term) for term in order.expressions) if order is not None else ()
    found = Ordering(
        query, isinstance(distinct, exp.Distinct) and on is None, chosen, terms, limit, offset, with_ties
    )
    if order is None and found.limited:
        raise refuse("MS011", query.args.get("limit") or query.args.get("offset"), "", path)
    if order is None and on is not None:
        raise refuse("MS053", on, "without ORDER BY", path)
    if order is not None and not found.limited and on is None:
        raise refuse("MS012", order, "", path)
    if found.distinct and len(items) > visible:
        raise refuse(
            "MS010", order, "ORDER BY an expression that is not in the list of SELECT DISTINCT", path
        )
    if on is not None and {number for number, _ in terms[: len(set(chosen))]} != set(chosen):
        raise refuse("MS053", on, "whose ORDER BY starts with something else", path)
    return found, items


def read_limit(limit: exp.Expr | None, path: str | None) -> tuple[int | None, bool]:
    """The number of LIMIT or FETCH FIRST, and whether rows that tie with the last one stay too."""
    if not isinstance(limit, exp.Fetch):
        return read_number(limit, "LIMIT", path), False
    options = limit.args.get("limit_options")
    ties = options is not None and bool(options.args.get("with_ties"))
    if options is not None and options.args.get("percent"):
        raise refuse("MS010", limit, "FETCH … PERCENT", path)
    count = limit.args.get("count")
    if count is not None and not (isinstance(count, exp.Literal) and count.is_int):
        raise refuse("MS010", limit, "FETCH of a computed number of rows", path)
    return int(count.name) if count is not None else 1, ties


def read_number(clause: exp.Expr | None, label: str, path: str | None) -> int | None:
    """The number of a LIMIT or OFFSET clause."""
    if clause is None:
        return None
    value = clause.expression
    if not (isinstance(value, exp.Literal) and value.is_int):
        raise refuse("MS010", clause, f"{label} of a computed number of rows", path)
    return int(value.name)


def bind_ordering(
    ordering: Ordering,
    plan: Plan,
    columns: list[Attribute],
    visible: int,
    context: Context,
) -> Plan:
    """Put DISTINCT, ORDER BY and LIMIT on top of a plan whose columns are `columns`, the first `visible` shown."""
    shown = tuple((attribute, column(attribute)) for attribute in columns[:visible])
    terms = [ordered(term, columns[number]) for number, term in ordering.terms]
    if ordering.distinct:
        plan = Aggregate(plan, tuple(columns), ())
    if ordering.on:
        partition = tuple(columns[number] for number in dict.fromkeys(ordering.on))
        order = tuple(terms[len(partition) :])
        if not order and not is_total(plan, partition, ()):
            raise refuse(
                "MS053", ordering.node.args["distinct"], "with nothing more in ORDER BY", context.path
            )
        plan = first_rows(plan, partition, order, exp.RowNumber(), 0, 1, context)
    if ordering.limited:
        number = exp.Rank() if ordering.with_ties else exp.RowNumber()
        plan = first_rows(plan, (), tuple(terms), number, ordering.offset, ordering.limit, context)
    return Project(plan, shown) if ordering.on or ordering.limited else plan


def ordered(term: exp.Ordered, attribute: Attribute) -> exp.Ordered:
    """A term of ORDER BY over a column."""
    made = term.copy()
    made.set("this", column(attribute))
    return made


def first_rows(
    plan: Plan,
    partition: tuple[Attribute, ...],
    order: tuple[exp.Expr, ...],
    number: exp.Expr,
    offset: int,
    limit: int | None,
    context: Context,
) -> Plan:
    """Number the rows of each partition and keep those after `offset`, at most `limit` of them."""
    if not order:
        order = tuple(exp.Ordered(this=column(a), nulls_first=False) for a in partition)
    rank = Attribute(context.names.fresh("rank"), "bigint", False)
    ties = tie_break(plan, partition, order) if isinstance(number, exp.RowNumber) else ()
    ranked = Window(plan, partition, order, ((rank, number),), None, ties)
    terms: list[exp.Expr] = []
    if offset and not isinstance(number, exp.RowNumber):
        raise refuse("MS010", None, "OFFSET with FETCH … WITH TIES", context.path)
    if offset:
        terms.append(exp.GT(this=column(rank), expression=exp.Literal.number(offset)))
    if limit is not None:
        terms.append(exp.LTE(this=column(rank), expression=exp.Literal.number(offset + limit)))
    return Filter(ranked, exp.and_(*terms, copy=False)) if terms else ranked
