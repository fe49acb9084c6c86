"""Which expressions are of type jsonb, as far as their text tells."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import Catalog
from millstream.compiler.dialect import Infix
from millstream.compiler.syntax.from_items import Name, item_name
from millstream.compiler.syntax.reads import is_relation, sources


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
