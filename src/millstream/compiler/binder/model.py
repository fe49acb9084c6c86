"""Bind a whole model: its query, and the columns that it shows."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import Plan
from millstream.compiler.binder.binder import bind_query
from millstream.compiler.binder.scope import Columns, Context
from millstream.compiler.binder.sql_functions import inline
from millstream.compiler.syntax.identifiers import refuse_own
from millstream.compiler.syntax.parse import parse
from millstream.diagnostics import refuse


def bind_model(sql: str, context: Context) -> tuple[Plan, Columns]:
    """Bind the SELECT of a model; return its plan and its named columns in order."""
    tree = parse(sql, context.path)
    plan, outputs = bind_query(inline(tree, context.catalog, context.path), context)
    check_columns(tree, [name for name, _ in outputs], context.path)
    return plan, outputs


def check_columns(tree: exp.Expr, names: list[str], path: str | None) -> None:
    """Refuse columns that no table can have: none, two of one name, and those of the engine and of PostgreSQL."""
    while not isinstance(tree, exp.Select) and isinstance(tree.this, exp.Expr):
        tree = tree.this
    if not names:
        raise refuse("MS009", tree, "a model", path)
    places = tree.expressions if isinstance(tree, exp.Select) else []
    for number, name in enumerate(names):
        place = places[number] if len(places) == len(names) else tree
        if name in names[:number]:
            raise refuse("MS005", place, f"column {name} in the SELECT list", path)
        refuse_own(name, place, path)
