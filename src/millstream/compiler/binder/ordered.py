"""Aggregates whose result depends on the order of rows, and aggregates that PostgreSQL calls by another name.

The rows of a view have no order of arrival: a key is computed again from stored rows, in whatever order PostgreSQL reads
them. So an ordered aggregate needs ORDER BY (RisingWave takes any order there; two runs of it may differ). Rows that tie
are ordered further by the aggregates' arguments, all of those that share an ORDER BY alike, so that the result is the
same whenever it is computed and arrays that were aligned stay so; it is one of the results that PostgreSQL may give.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, references
from millstream.compiler.algebra.keys import UNORDERED, is_total
from millstream.compiler.algebra.operators import Plan
from millstream.compiler.binder.scope import Context
from millstream.compiler.dialect import write
from millstream.compiler.syntax.aggregate_calls import NEEDS_OVER
from millstream.compiler.syntax.calls import function_name
from millstream.compiler.syntax.lacking import refuse_lacking
from millstream.diagnostics import refuse

ORDERED = (exp.ArrayAgg, exp.GroupConcat, exp.JSONBObjectAgg)
ORDERED_NAMES = {"jsonb_agg"}
FIRST_LAST = (exp.FirstValue, exp.LastValue)
REWRITTEN = (*FIRST_LAST, exp.ApproxDistinct, exp.JSONBObjectAgg)
JSON_AGGREGATES = {"json_agg", "json_object_agg", "json_arrayagg", "json_objectagg"}


def is_ordered(call: exp.Expr) -> bool:
    """Tell whether the order of the rows changes the result of an aggregate."""
    named = function_name(call)
    return isinstance(call, ORDERED) or (named is not None and named[1].lower() in ORDERED_NAMES)


def order_of(call: exp.Expr) -> exp.Order | None:
    """The ORDER BY inside an aggregate call; sqlglot hangs it on the last argument."""
    return next((part for part in call.iter_expressions() if isinstance(part, exp.Order)), None)


def is_distinct(call: exp.Expr) -> bool:
    """Tell whether an aggregate call has DISTINCT, which sorts its arguments."""
    return any(
        isinstance(part, exp.Distinct) or isinstance(part.this, exp.Distinct)
        for part in call.iter_expressions()
        if isinstance(part, (exp.Distinct, exp.Order))
    )


def arguments(call: exp.Expr) -> list[exp.Expr]:
    """The arguments of an ordered aggregate without its ORDER BY."""
    return [part.this if isinstance(part, exp.Order) else part for part in call.iter_expressions()]


def skips_nulls(call: exp.Expr) -> TypeGuard[exp.IgnoreNulls]:
    """Tell whether a call is first_value or last_value IGNORE NULLS."""
    return isinstance(call, exp.IgnoreNulls) and isinstance(call.this, FIRST_LAST)


def check_aggregate(call: exp.Expr, context: Context) -> None:
    """Refuse an aggregate call whose result no rule can keep; `call` is without FILTER and WITHIN GROUP."""
    if skips_nulls(call):
        call = call.this
    if isinstance(call, (exp.IgnoreNulls, exp.RespectNulls)):
        raise refuse("MS010", call, "IGNORE NULLS or RESPECT NULLS", context.path)
    refuse_lacking(call, context.path)
    name = write(call).split("(")[0].lower()
    if isinstance(call, NEEDS_OVER) and not isinstance(call.parent, exp.WithinGroup):
        raise refuse("MS051", call, name, context.path)
    if name in JSON_AGGREGATES:
        raise refuse("MS054", call, name, context.path)
    if name == "median":
        raise refuse("MS055", call, name, context.path)
    if isinstance(call, exp.Count) and isinstance(call.this, exp.Distinct) and len(call.this.expressions) > 1:
        raise refuse("MS056", call, "", context.path)
    ordered = is_ordered(call) or isinstance(call, FIRST_LAST)
    if ordered and order_of(call) is None and not is_distinct(call):
        raise refuse("MS050", call, name, context.path)


def rewrite_aggregate(node: exp.Expr, context: Context) -> exp.Expr:
    """Write aggregates that PostgreSQL lacks, or that could fail, in terms of those that it has.

    first_value(x ORDER BY t) is (array_agg(x ORDER BY t))[1], last_value the same in the reverse order. The CASE never
    takes its first branch: it makes PostgreSQL refuse values that are arrays themselves, of which array_agg would make
    one array of more dimensions; IGNORE NULLS is a FILTER. approx_count_distinct is exact. A NULL key of jsonb_object_agg, which is an error in
    PostgreSQL and would stop every view, is left out.
    """
    call = node.this if isinstance(node, exp.Filter) else node
    if skips_nulls(call):
        node = exp.Filter(this=call.this.copy(), expression=exp.Where(this=known_only(node, call.this)))
        call = node.this
    if isinstance(call, exp.ApproxDistinct):
        counted = exp.Count(this=exp.Distinct(expressions=[call.this.copy()]), big_int=True)
        return filtered(node, counted)
    if isinstance(call, exp.JSONBObjectAgg):
        named = exp.Not(this=exp.Is(this=exp.paren(call.this.copy()), expression=exp.Null()))
        condition = exp.and_(node.expression.this.copy(), named) if node is not call else named
        return exp.Filter(this=call.copy(), expression=exp.Where(this=condition))
    if not isinstance(call, FIRST_LAST):
        return node
    check_aggregate(call, context)
    order = call.this.copy()
    if isinstance(call, exp.LastValue):
        order.set("expressions", [reverse(term) for term in order.expressions])
    gathered = exp.Bracket(
        this=exp.Paren(this=filtered(node, exp.ArrayAgg(this=order))), expressions=[exp.Literal.number(1)]
    )
    never = exp.LT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Case().when(never, exp.AnyValue(this=order.this.copy())).else_(gathered))


def known_only(node: exp.Expr, call: exp.Expr) -> exp.Expr:
    """The FILTER of IGNORE NULLS: the value is not NULL, and what FILTER said."""
    value = arguments(call)[0]
    known = exp.Not(this=exp.Is(this=exp.paren(value.copy()), expression=exp.Null()))
    return exp.and_(node.expression.this.copy(), known) if isinstance(node, exp.Filter) else known


def known_value(call: exp.IgnoreNulls) -> exp.Expr:
    """first_value or last_value IGNORE NULLS as a window function of the engine's (engine/catalog/windows.sql)."""
    name = "first_known" if isinstance(call.this, exp.FirstValue) else "last_known"
    return exp.Anonymous(this=f"millstream.{name}", expressions=[call.this.this.copy()])


def filtered(node: exp.Expr, call: exp.Expr) -> exp.Expr:
    """Put the FILTER of an aggregate on what replaces it."""
    return exp.Filter(this=call, expression=node.expression.copy()) if isinstance(node, exp.Filter) else call


def reverse(term: exp.Expr) -> exp.Ordered:
    """Turn one term of an ORDER BY round, NULLs included."""
    turned = term.copy() if isinstance(term, exp.Ordered) else exp.Ordered(this=term.copy())
    turned.set("desc", not turned.args.get("desc"))
    turned.set("nulls_first", not turned.args.get("nulls_first"))
    return turned


def break_ties(
    calls: Iterable[exp.Expr], plan: Plan, keys: tuple[Attribute, ...], known: dict[str, Attribute]
) -> None:
    """Append to the ORDER BY of bound ordered aggregates, in place, what makes their result certain."""
    groups: dict[str, list[exp.Expr]] = {}
    for call in calls:
        order = order_of(call)
        if is_ordered(call) and order is not None and not is_distinct(call):
            groups.setdefault(repr(order.expressions), []).append(call)
    for members in groups.values():
        first = order_of(members[0])
        assert first is not None
        if is_total(plan, keys, first.expressions):
            continue
        told = {write(term.this) for term in first.expressions} | {write(column(k)) for k in keys}
        more: dict[str, exp.Expr] = {}
        for call in members:
            for argument in arguments(call):
                sortable = not any(known[n].type in UNORDERED for n in references(argument) if n in known)
                if write(argument) not in told and references(argument) and sortable:
                    more.setdefault(write(argument), argument)
        for call in members:
            order = order_of(call)
            assert order is not None
            order.set(
                "expressions",
                [*order.expressions, *(exp.Ordered(this=e.copy(), nulls_first=False) for e in more.values())],
            )
