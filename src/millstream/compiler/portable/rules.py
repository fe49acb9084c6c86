"""Refuse what the embedded engine keeps and RisingWave's streaming jobs do not, so that a model runs on both.

These are checks of the statement as written, beyond what binding refuses on either engine. Facts from RisingWave 3.0: its
documentation and the expected errors of its planner tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sqlglot
from sqlglot import exp

from millstream.compiler.algebra.conditions import terms_of
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.binder import bind_query
from millstream.compiler.binder.functions import inline
from millstream.compiler.binder.ordered import skips_nulls
from millstream.compiler.binder.scope import Catalog, Context, ViewText
from millstream.compiler.dialect import DIALECT, Infix, write
from millstream.compiler.portable.calls import of_expressions
from millstream.compiler.portable.names import of_name, of_schemas
from millstream.compiler.portable.subqueries import of_functions, of_joins, of_lists, of_membership, of_values
from millstream.compiler.portable.time import of_clock
from millstream.compiler.syntax.aggregate_calls import AROUND, bare, is_aggregate
from millstream.compiler.syntax.from_items import Name, item_name
from millstream.compiler.syntax.parse import is_process_time, parse
from millstream.compiler.syntax.reads import is_relation, items, means, sources, tables
from millstream.diagnostics import refuse
from millstream.errors import Refused

Indexes = Callable[[str | None, str], Sequence[Sequence[str]]]  # (schema, name) → the columns of each index

RANKS = (exp.RowNumber, exp.Rank)  # a filter on them makes a top-N, which may span everything
WINDOWS = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
)
AGGREGATES = {
    "approx_percentile",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "grouping",
    "jsonb_agg",
    "jsonb_object_agg",
    "last_value",
    "max",
    "min",
    "mode",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
}


def refuse_unportable(sql: str, catalog: Catalog, path: str | None, indexes: Indexes | None = None) -> None:
    """Raise the first refusal for a materialized view; plain views that it reads are expanded and looked at too."""
    for found in unportable(sql, catalog, path, indexes or (lambda *_: ())):
        raise found
    for table in tables(parse(sql, path)):
        view = catalog.relation(table.db or None, table.name)
        if isinstance(view, ViewText):
            refuse_unportable(view.sql, catalog, view.path, indexes)


def unportable(sql: str, catalog: Catalog, path: str | None, indexes: Indexes) -> Iterator[Refused]:
    """Yield a refusal for everything that RisingWave would not keep."""
    yield from of_text(sql, path)
    tree = parse(sql, path)
    yield from of_tree(tree, catalog, path, indexes)
    context = Context(catalog, path=path)
    try:
        plan, _ = bind_query(inline(tree, catalog, path), context)
    except Refused:  # by both engines
        return
    yield from of_joins(plan, context.places)
    for node, file in context.with_nulls:
        yield refuse("MS071", node, "", file)


def of_text(sql: str, path: str | None) -> Iterator[Refused]:
    """IGNORE NULLS behind the brackets, which the parser puts where it is inside of them."""
    tokens = sqlglot.tokenize(sql, dialect=DIALECT)
    for bracket, word, nulls in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (
            bracket.text == ")"
            and word.text.lower() in ("ignore", "respect")
            and nulls.text.lower() == "nulls"
        ):
            at = exp.to_identifier(word.text)
            at.meta.update(line=word.line, col=word.col, start=word.start, end=word.end)
            yield refuse("MS065", at, f"with {word.text.upper()} NULLS behind its brackets", path)


def of_tree(tree: exp.Expr, catalog: Catalog, path: str | None, indexes: Indexes) -> Iterator[Refused]:
    """Yield a refusal for every node that RisingWave would not keep."""
    for node in tree.walk():
        yield from of_name(node, path)
        if isinstance(node, exp.Window) and node.arg_key != "windows":
            yield from of_window(node, tree, path)
        elif isinstance(node, (exp.Except, exp.Intersect)) and node.args.get("distinct") is False:
            yield refuse("MS066", node.expression, f"{node.key.upper()} ALL", path)
        elif isinstance(node, (exp.In, exp.Any, exp.All)):
            yield from of_membership(node, path)
        elif isinstance(node, exp.Select):
            yield from of_schemas(node, path)
            yield from of_select(node, catalog, path)
            yield from of_functions(node, jsonb_columns(node, catalog), path)
            around = queries_around(node)
            jsonb = [column for each in around for column in jsonb_columns(each, catalog)]
            yield from of_lists(node, [name for each in around for name in items(each)], jsonb, path)
            yield from of_values(node, path)
            yield from of_expressions(node, catalog, path)
            yield from of_clock(node, path)
            for join in node.args.get("joins") or []:
                yield from of_join(join, node, catalog, path, indexes)
        elif isinstance(node, exp.Filter) and node.find(exp.Query):
            yield refuse("MS067", node, "a FILTER clause", path)
        elif isinstance(node, exp.IgnoreNulls) and not isinstance(node.parent, exp.Window):
            yield refuse("MS064", node, f"{name_of(node.this)} IGNORE NULLS", path)
        elif is_aggregate(node) and not isinstance(node, AROUND):
            yield from of_aggregate(node, path)
        elif isinstance(node, AROUND) and is_aggregate(node):
            yield from of_aggregate(bare(node), path)


def of_window(window: exp.Window, tree: exp.Expr, path: str | None) -> Iterator[Refused]:
    """What an OVER clause may say."""
    call: exp.Expr = window.this
    if isinstance(call, exp.Filter):
        yield refuse("MS065", window, "with FILTER", path)
        call = call.this
    if skips_nulls(call):
        call = call.this
    name = name_of(call)
    known = isinstance(call, WINDOWS) or name in AGGREGATES
    if not known:
        yield refuse("MS065", window, name, path)
    offset = call.args.get("offset")
    if isinstance(call, (exp.Lag, exp.Lead)) and (
        call.args.get("default") is not None or (offset is not None and offset.find(exp.Column))
    ):
        yield refuse("MS065", window, f"{name} with a default or a computed distance", path)
    frame = window.args.get("spec")
    if frame is not None and str(frame.args.get("kind")).upper() == "GROUPS":
        yield refuse("MS065", window, "with a GROUPS frame", path)
    if (
        frame is not None
        and frame.args.get("exclude")
        and frame.args["exclude"].name.upper() in {"TIES", "GROUP"}
    ):
        yield refuse("MS065", window, f"with EXCLUDE {frame.args['exclude'].name.upper()}", path)
    named = window.args.get("alias")
    if not window.args.get("partition_by") and named is None and not is_top_n(window, call, tree):
        yield refuse("MS060", window, name, path)


def name_of(call: exp.Expr) -> str:
    """The name of a function as PostgreSQL writes it."""
    if isinstance(call, exp.ApproxDistinct):
        return "approx_count_distinct"
    return write(call).split("(")[0].lower()


def is_top_n(window: exp.Window, call: exp.Expr, tree: exp.Expr) -> bool:
    """Tell whether something keeps only the first ranks of a window."""
    alias = window.parent.alias if isinstance(window.parent, exp.Alias) else ""
    if not isinstance(call, RANKS) or not alias:
        return False
    return any(
        isinstance(term.this, exp.Column) and term.this.name == alias
        for term in tree.find_all(exp.LT, exp.LTE, exp.EQ)
        if isinstance(term.expression, exp.Literal)
    )


def of_aggregate(call: exp.Expr, path: str | None) -> Iterator[Refused]:
    """Aggregates that no streaming job computes."""
    if isinstance(call, WINDOWS):
        return
    name = name_of(call)
    if name not in AGGREGATES:
        yield refuse("MS064", call if call.find(exp.Column) else call.parent, name, path)


def of_select(select: exp.Select, catalog: Catalog, path: str | None) -> Iterator[Refused]:
    """LIMIT and OFFSET, keys of type jsonb, and subqueries where RisingWave has none."""
    if not select.expressions:
        yield refuse("MS082", select, "", path)
    limit, offset = select.args.get("limit"), select.args.get("offset")
    if offset is not None and limit is None:
        yield refuse("MS062", offset, "OFFSET without LIMIT", path)
    if isinstance(limit, exp.Limit) and limit.expression.name == "0":
        yield refuse("MS062", limit, "LIMIT 0", path)
    json = jsonb_columns(select, catalog)
    group = select.args.get("group")
    keys = list(group.expressions) if group is not None else []
    keys += [term for window in select.find_all(exp.Window) for term in window.args.get("partition_by") or []]
    apart = isinstance(select.parent, exp.SetOperation) and select.parent.args.get("distinct") is not False
    if select.args.get("distinct") or apart:
        keys += [item.unalias() for item in select.expressions]
    for key in keys:
        if is_jsonb(key, json):
            yield refuse("MS061", key, write(key), path)
    if group is not None or select.args.get("having") or any(aggregates(item) for item in select.expressions):
        outside = items(select)
        places = [*select.expressions, *([select.args["having"]] if select.args.get("having") else [])]
        for query in (found for part in places for found in part.find_all(exp.Query)):
            own = [name for inner in query.find_all(exp.Select) for name in items(inner)]
            read = [column for column in query.find_all(exp.Column) if not means(own, column)]
            if any(means(outside, column) for column in read):
                yield refuse("MS067", query, "an aggregation, correlated,", path)


def aggregates(item: exp.Expr) -> bool:
    """Tell whether an item of the SELECT list aggregates rows of its own query."""
    found = item.walk(prune=lambda node: isinstance(node, (exp.Query, exp.Window)))
    return any(is_aggregate(node) for node in found)


def of_join(
    join: exp.Join, select: exp.Select, catalog: Catalog, path: str | None, indexes: Indexes
) -> Iterator[Refused]:
    """Subqueries in ON, and process-time joins that do not fix the key of their right side."""
    on = join.args.get("on")
    if on is not None and on.find(exp.Query):
        yield refuse("MS067", on, "a join condition", path)
    table = join.this
    if not isinstance(table, exp.Table) or not is_process_time(table):
        return
    relation = catalog.relation(table.db or None, table.name)
    if not isinstance(relation, Relation):
        return
    stored = {name for name, _, _ in relation.columns}
    where = select.args.get("where")
    terms = [*terms_of(on), *(terms_of(where.this) if where is not None else [])]
    fixed = {identifier.name for identifier in join.args.get("using") or []}
    fixed |= {name for term in terms if (name := fixed_by(term, item_name(table), stored)) is not None}
    if not fixed and not join.side and only_appended(select, join, catalog):
        return  # a nested loop over the right side, which RisingWave makes for rows that only come
    keys = [relation.key, *indexes(table.db or None, table.name)]
    if (
        not any(set(key) <= fixed for key in keys if key and set(key) <= stored)
        and set(relation.key) <= stored
    ):
        yield refuse(
            "MS063", on or table, f"{table.alias_or_name}, whose key is ({', '.join(relation.key)})", path
        )


def only_appended(select: exp.Select, join: exp.Join, catalog: Catalog) -> bool:
    """Tell whether what stands left of a join is one append-only table."""
    first = select.args["from_"].this
    if join is not select.args["joins"][0] or not isinstance(first, exp.Table) or not is_relation(first):
        return False
    relation = catalog.relation(first.db or None, first.name)
    return isinstance(relation, Relation) and relation.append_only


def fixed_by(term: exp.Expr, relation: Name, stored: set[str]) -> str | None:
    """The column of a relation that a term equates with something of another.

    A column without an alias is this relation's where it has one of that name; else the name would have two meanings.
    """
    if not isinstance(term, (exp.EQ, exp.NullSafeEQ)):
        return None

    def mine(node: exp.Expr) -> bool:
        if not isinstance(node, exp.Column):
            return False
        return relation.means(node) if node.table else node.name in stored

    for side, other in ((term.left.unnest(), term.right), (term.right.unnest(), term.left)):
        if mine(side) and not all(mine(column) for column in other.find_all(exp.Column)):
            return str(side.name)
    return None


def jsonb_columns(select: exp.Select, catalog: Catalog) -> list[tuple[Name, str]]:
    """The columns of type jsonb in FROM, and whose they are."""
    found: list[tuple[Name, str]] = []
    for table in sources(select):
        if not isinstance(table, exp.Table) or not is_relation(table):
            continue
        relation = catalog.relation(table.db or None, table.name)
        columns = relation.columns if isinstance(relation, Relation) else ()
        found += [(item_name(table), name) for name, type_, _ in columns if type_ == "jsonb"]
    return found


def is_jsonb(key: exp.Expr, columns: list[tuple[Name, str]]) -> bool:
    """Tell whether an expression is surely of type jsonb."""
    key = key.unnest()
    if isinstance(key, exp.Column):
        return any(
            key.name == column and (owner.means(key) if key.table else True) for owner, column in columns
        )
    if isinstance(key, exp.Cast):
        return bool(key.to.is_type("jsonb"))
    return isinstance(key, exp.JSONExtract) or (isinstance(key, Infix) and key.args["operator"] == "#>")


def queries_around(select: exp.Select) -> list[exp.Select]:
    """The SELECTs that a subquery stands in."""
    found = []
    above = select.parent
    while above is not None:
        if isinstance(above, exp.Select):
            found.append(above)
        above = above.parent
    return found
