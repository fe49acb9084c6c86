"""Write a plain view in PostgreSQL's words: TUMBLE, HOP, ordered aggregates, ASOF joins and CORRESPONDING, which only RisingWave has.

Where a materialized view reads a plain one, the binder does this; here it is for readers of the view itself.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import FLIPPED, conjuncts
from millstream.compiler.binder.ordered import REWRITTEN, known_value, rewrite_aggregate, skips_nulls
from millstream.compiler.binder.scope import Context
from millstream.compiler.binder.time_windows import ORIGIN
from millstream.compiler.dialect import explicit, is_respelled, respell, write
from millstream.compiler.syntax.aggregate_calls import bare, is_aggregate
from millstream.compiler.syntax.corresponding import SPELLED_OUT
from millstream.compiler.syntax.from_items import item_name, window_function
from millstream.compiler.syntax.intervals import microseconds
from millstream.compiler.syntax.parse import parse
from millstream.diagnostics import refuse


def in_postgres_words(sql: str, context: Context) -> str:
    """Return a query as PostgreSQL reads it; the same text where there is nothing to rewrite."""
    root = exp.Paren(this=parse(sql, context.path))
    calls = [
        node
        for node in root.find_all(exp.Filter, exp.IgnoreNulls, *REWRITTEN)
        if is_aggregate(node) and (isinstance(bare(node), REWRITTEN) or skips_nulls(bare(node)))
    ]
    known = [
        node
        for node in root.find_all(exp.IgnoreNulls)
        if skips_nulls(node) and isinstance(node.parent, exp.Window)
    ]
    nearest = [join for join in root.find_all(exp.Join) if join.method.upper() == "ASOF"]
    windows = [(table, call) for table in root.find_all(exp.Table) if (call := window_function(table))]
    for node in calls:
        node.replace(rewrite_aggregate(node, context))
    for node in known:
        node.replace(known_value(node))
    for table, call in windows:
        table.replace(windows_of(table, call, context))
    for join in nearest:
        join.replace(nearest_row(join, context))
    spelled_out = any(node.meta.get(SPELLED_OUT) for node in root.find_all(exp.SetOperation))
    respelled = any(is_respelled(node) for node in root.walk())
    changed = calls or known or windows or nearest or spelled_out or respelled
    return write(respell(explicit(root.this))) if changed else sql


def nearest_row(join: exp.Join, context: Context) -> exp.Join:
    """ASOF [LEFT] JOIN as a lateral subquery: the right row that meets the condition and is nearest by its inequality."""
    right = item_name(join.this)
    for term in conjuncts(join.args.get("on")):
        sides = [side for side in (term.this, term.args.get("expression")) if isinstance(side, exp.Column)]
        if type(term) not in FLIPPED or len(sides) != 2 or sum(right.means(side) for side in sides) != 1:
            continue
        by = next(side for side in sides if right.means(side))
        greatest = isinstance(term, (exp.GT, exp.GTE)) == (term.expression is by)
        order = exp.Ordered(this=by.copy(), desc=greatest, nulls_first=greatest)
        chosen = exp.select("*").from_(join.this.copy()).where(join.args["on"].copy())
        lateral = exp.Lateral(
            this=exp.Subquery(this=chosen.order_by(order).limit(1)),
            alias=exp.TableAlias(this=exp.to_identifier(right.text, quoted=True)),
        )
        return exp.Join(
            this=lateral,
            side=join.side or None,
            kind=None if join.side else "CROSS",
            on=(exp.true() if join.side else None),
        )
    raise refuse("MS047", join, "columns that do not tell their side", context.path)


def windows_of(table: exp.Table, call: exp.Anonymous, context: Context) -> exp.Subquery:
    """TUMBLE or HOP as a subquery; the binder has checked or will check the arguments of a view that is read."""
    hop = call.name.lower() == "hop"
    if not 3 + hop <= len(call.expressions) <= 4 + hop:
        raise refuse(
            "MS058", call, f"{call.name.upper()} with {len(call.expressions)} arguments", context.path
        )
    relation, moment, *intervals = call.expressions
    known = [microseconds(interval) for interval in intervals]
    if None in known or not isinstance(relation, exp.Column):
        raise refuse("MS058", call, f"{call.name.upper()} with a length that is not constant", context.path)
    size = intervals[hop]
    offset = intervals[1 + hop] if len(intervals) > 1 + hop else exp.cast(exp.Literal.string("0"), "interval")
    instant = exp.column(moment.name, table="r", quoted=True)
    binned = exp.Anonymous(
        this="date_bin",
        expressions=[
            intervals[0].copy(),
            exp.Sub(this=instant, expression=offset.copy()),
            exp.Literal.string(ORIGIN),
        ],
    )
    last = (known[1] or 1) // (known[0] or 1) - 1 if hop else 0
    series = exp.Anonymous(
        this="generate_series", expressions=[exp.Literal.number(0), exp.Literal.number(last)]
    )
    earlier = exp.Mul(this=intervals[0].copy(), expression=exp.column("back", table="b"))
    start = exp.Sub(this=exp.Add(this=binned, expression=offset.copy()), expression=earlier)
    select = exp.select(
        exp.Column(this=exp.Star(), table=exp.to_identifier("r")),
        exp.alias_(start, "window_start"),
        exp.alias_(exp.Add(this=exp.paren(start.copy()), expression=size.copy()), "window_end"),
    ).from_(
        exp.Table(
            this=relation.this.copy(),
            db=relation.args.get("table"),
            alias=exp.TableAlias(this=exp.to_identifier("r")),
        )
    )
    select = select.join(
        exp.Table(
            this=series,
            alias=exp.TableAlias(this=exp.to_identifier("b"), columns=[exp.to_identifier("back")]),
        ),
        join_type="cross",
    )
    if hop:
        select = select.where(exp.Not(this=exp.Is(this=instant.copy(), expression=exp.Null())))
    alias = table.args.get("alias") or exp.TableAlias(this=relation.this.copy())
    return exp.Subquery(this=select, alias=alias.copy())
