"""Refuse joins with a subquery in their condition, and process-time joins that do not fix the key of their right side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from millstream.compiler.algebra.conditions import terms_of
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import Catalog
from millstream.compiler.syntax.from_items import Name, item_name
from millstream.compiler.syntax.parse import is_process_time
from millstream.compiler.syntax.reads import is_relation
from millstream.diagnostics import refuse
from millstream.errors import Refused

Indexes = Callable[[str | None, str], Sequence[Sequence[str]]]  # (schema, name) → the columns of each index


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
