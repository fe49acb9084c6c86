"""array(SELECT …): the rows of a subquery as a list, an empty one where it has none."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.syntax.aggregate_calls import has_aggregates
from millstream.compiler.syntax.identifiers import alike
from millstream.compiler.syntax.set_calls import OBJECTS, function_in_from, is_set, name_of, read_call

VALUE, ORDER, ROWS = "value", "order", "rows"


def is_array_of_query(node: exp.Expr) -> bool:
    """Tell whether a node is array(SELECT …), not array[…]."""
    return (
        isinstance(node, exp.Array)
        and "value_constructor" not in node.args
        and len(node.expressions) == 1
        and isinstance(node.expressions[0].unnest(), exp.Query)
    )


def gathered(node: exp.Array) -> exp.Subquery:
    """Write array(SELECT …) as (SELECT coalesce(array_agg(… ORDER BY …), '{}') FROM (SELECT …)).

    The list has the order of the subquery. Without one it has the order of the elements, where the subquery only takes
    lists apart, and else of its values: so it is the same whenever it is computed.
    """
    query = node.expressions[0].unnest().copy()
    terms: list[exp.Expr] = []
    if isinstance(query, exp.Select) and len(query.expressions) == 1:
        query, terms = labelled(by_element(query))
    labels = [VALUE] if not isinstance(query, exp.Select) else [item.alias for item in query.expressions]
    value = exp.column(VALUE, table=ROWS, quoted=True)
    if not terms:
        terms = [exp.Ordered(this=value.copy(), nulls_first=False)]
    call = exp.ArrayAgg(this=exp.Order(this=value, expressions=terms))
    empty = exp.Coalesce(this=call, expressions=[exp.Literal.string("{}")])
    alias = exp.TableAlias(
        this=exp.to_identifier(ROWS), columns=[exp.to_identifier(label, quoted=True) for label in labels]
    )
    rows = exp.Subquery(this=query, alias=alias)
    return exp.Subquery(this=exp.select(exp.alias_(empty, VALUE)).from_(rows))


def by_element(query: exp.Select) -> exp.Select:
    """Order what only takes lists apart by the places of the elements."""
    clauses = ("order", "group", "having", "distinct", "limit", "offset")
    value = query.expressions[0].unalias()
    if any(query.args.get(clause) for clause in clauses) or has_aggregates(value):
        return query
    if query.args.get("from_") is None and is_set(value):
        alias = exp.TableAlias(this=exp.to_identifier(VALUE))
        query = exp.select(exp.column(VALUE)).from_(exp.Table(this=value.copy(), alias=alias))
    source = query.args.get("from_")
    items = [source.this, *(join.this for join in query.args.get("joins") or [])] if source else []
    if not items or not all(has_order(function_in_from(item)) for item in items):
        return query
    return query.order_by(*(exp.Ordered(this=place_of(item), nulls_first=False) for item in items))


def has_order(function: exp.Expr | None) -> bool:
    """Tell whether a function takes a list apart; the members of an object have no order."""
    return function is not None and name_of(function) not in OBJECTS


def place_of(item: exp.Expr) -> exp.Column:
    """The column with the places of a function's elements, WITH ORDINALITY where it is not said."""
    call = read_call(item, None)
    if call.ordinality is None:
        item.set("offset" if isinstance(item, exp.Unnest) else "ordinality", True)
    last = call.ordinality is not None and len(call.labels) > len(call.functions)
    return exp.column(call.labels[-1] if last else "ordinality", table=call.label, quoted=True)


def labelled(query: exp.Select) -> tuple[exp.Select, list[exp.Expr]]:
    """Give a subquery's column and what it is ordered by names of their own; return its order by these."""
    item = query.expressions[0]
    order = query.args.get("order")
    value = item.unalias()
    columns: list[exp.Expr] = [exp.alias_(value, VALUE, quoted=True)]
    terms: list[exp.Expr] = []
    for number, term in enumerate(order.expressions if order is not None else []):
        inner = term.this
        first = isinstance(inner, exp.Literal) and inner.name == "1"
        named = isinstance(inner, exp.Column) and not inner.table and inner.name == item.alias_or_name
        if first or named or alike(inner, value):
            label = VALUE
        else:
            label = f"{ORDER}{number}"
            columns.append(exp.alias_(inner.copy(), label, quoted=True))
        changed = term.copy()
        changed.set("this", exp.column(label, table=ROWS, quoted=True))
        terms.append(changed)
    query.set("expressions", columns)
    if order is not None and not (query.args.get("limit") or query.args.get("offset") or needs_order(query)):
        query.set("order", None)
    return query, terms


def needs_order(query: exp.Select) -> bool:
    """Tell whether DISTINCT ON needs the order."""
    distinct = query.args.get("distinct")
    return isinstance(distinct, exp.Distinct) and distinct.args.get("on") is not None
