"""Refuse what the embedded engine keeps and RisingWave's streaming jobs do not, so that a model runs on both.

These are checks of the statement as written, beyond what binding refuses on either engine. Facts from RisingWave 3.0: its
documentation and the expected errors of its planner tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from millstream.compiler.binder.binder import bind_query
from millstream.compiler.binder.scope import Catalog, Context, ViewText
from millstream.compiler.binder.sql_functions import inline
from millstream.compiler.dialect import DIALECT
from millstream.compiler.portable.aggregates import name_of, of_aggregate, of_window
from millstream.compiler.portable.calls import of_expressions
from millstream.compiler.portable.float_sums import Definition, of_sums
from millstream.compiler.portable.joins import Indexes, of_join
from millstream.compiler.portable.jsonb import jsonb_columns
from millstream.compiler.portable.names import of_name, of_schemas
from millstream.compiler.portable.selects import of_select
from millstream.compiler.portable.subqueries import of_functions, of_joins, of_lists, of_membership, of_values
from millstream.compiler.portable.time import of_clock
from millstream.compiler.syntax.aggregate_calls import AROUND, bare, is_aggregate
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import items, tables
from millstream.diagnostics import refuse
from millstream.errors import Refused


def refuse_unportable(
    sql: str,
    catalog: Catalog,
    path: str | None,
    indexes: Indexes | None = None,
    definition: Definition | None = None,
) -> None:
    """Raise the first refusal for a materialized view; plain views that it reads are expanded and looked at first.

    `indexes` are those of a relation, `definition` gives the SELECT of a stored one.
    """
    for table in tables(parse(sql, path)):
        view = catalog.relation(table.db or None, table.name)
        if isinstance(view, ViewText):
            refuse_unportable(view.sql, catalog, view.path, indexes, definition)
    for found in unportable(sql, catalog, path, indexes or (lambda *_: ()), definition):
        raise found


def unportable(
    sql: str, catalog: Catalog, path: str | None, indexes: Indexes, definition: Definition | None = None
) -> Iterator[Refused]:
    """Yield a refusal for everything that RisingWave would not keep, or not keep equal."""
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
    yield from of_sums(plan, context, definition or (lambda _: None))


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


def queries_around(select: exp.Select) -> list[exp.Select]:
    """The SELECTs that a subquery stands in."""
    found = []
    above = select.parent
    while above is not None:
        if isinstance(above, exp.Select):
            found.append(above)
        above = above.parent
    return found
