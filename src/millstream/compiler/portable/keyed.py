"""Refuse a plain view that scans when it is read by the columns that it names, and a statement that scans.

RisingWave puts a plain view into the query that reads it. A branch of that query which neither a key nor an index reaches reads
a whole relation, however few rows come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS, transform
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.binder import bind_query
from millstream.compiler.binder.scope import Catalog, Context, Place, SqlFunction, ViewText
from millstream.compiler.binder.sql_functions import inline
from millstream.compiler.dialect import write
from millstream.compiler.portable.joins import Indexes
from millstream.compiler.portable.reaching import Reach, reaches
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import tables
from millstream.diagnostics import refuse
from millstream.errors import Refused

MOMENT = exp.cast(exp.Literal.string("2000-01-01"), "timestamptz")
GIVEN = exp.Literal.string("given")  # what stands for a parameter

Named = dict[
    Relation, tuple[str | None, str, Place]
]  # what FROM calls a stored relation, and where it first does


@dataclass(frozen=True)
class AtOneMoment:
    """A catalogue whose plain views read no clock: a read has one moment, and a view may show it."""

    catalog: Catalog

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """What a name in FROM stands for."""
        found = self.catalog.relation(schema, name)
        if isinstance(found, ViewText):
            return ViewText(found.name, write(settled(parse(found.sql, found.path))), found.path)
        return found

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """The SQL function of a name."""
        return self.catalog.sql_function(schema, name)

    def is_python(self, schema: str | None, name: str) -> bool:
        """Tell whether a function is a registered Python function."""
        return self.catalog.is_python(schema, name)

    def known(self) -> Iterable[tuple[str, str]]:
        """Everything that FROM could name."""
        return self.catalog.known()


def refuse_scans(
    sql: str, catalog: Catalog, path: str | None, indexes: Indexes, read_by: Sequence[str] = ()
) -> list[tuple[str, Reach]]:
    """Return how each stored relation is reached, by the name that FROM has for it, where a query is read by columns.

    Raises Refused for the first that is not reached, for a column that the query has not, and for what does not bind.
    """
    tree = parse(sql, path)
    context = Context(AtOneMoment(catalog), path=path, stars=True)
    plan, outputs = bind_query(inline(settled(tree), context.catalog, path), context)
    shown = dict(outputs)
    for column in read_by:
        if column not in shown:
            raise refuse("MS083/column", None, column, path)
    named = dict(mentions(tree, catalog, path))
    found = list(
        reaches(
            plan,
            frozenset(shown[column].name for column in read_by),
            lambda relation: indexes(*named[relation][:2]),
        )
    )
    for reach in found:
        if not reach.path:
            _, name, (node, file) = named[reach.scan.relation]
            raise missed(reach, name, node, file)
    return [(named[reach.scan.relation][1], reach) for reach in found]


def missed(reach: Reach, name: str, node: exp.Expr, file: str | None) -> Refused:
    """The refusal of a stored relation that is read whole."""
    if not reach.offered:
        return refuse("MS083", node, name, file)
    columns = ", ".join(reach.offered)
    first = f"that begins with one of {columns}" if len(reach.offered) > 1 else f"on {columns}"
    remedy = f"give {name} an index {first}, or read a materialized_view of it that has one"
    return refuse("MS083", node, f"{name} for {columns}", file, instead=remedy)


def settled(tree: exp.Expr) -> exp.Expr:
    """A query in which every reading of the clock and every parameter is a value, and no order is asked for in vain.

    The compiler refuses both in what it keeps; a plain view may have them, and neither changes what a read reaches.
    """

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, CLOCKS) or (isinstance(node, exp.Anonymous) and node.name.lower() == "now"):
            return MOMENT.copy()
        return GIVEN.copy() if isinstance(node, (exp.Parameter, exp.Placeholder)) else node

    changed = transform(tree, change)
    for query in changed.find_all(exp.Query):
        if query.args.get("limit") is None:
            query.set("order", None)
    return changed


def mentions(
    tree: exp.Expr, catalog: Catalog, path: str | None
) -> Iterator[tuple[Relation, tuple[str | None, str, Place]]]:
    """Yield the stored relations that a query reads, with where FROM names them: the last one of each is the first written."""
    for table in reversed(list(tables(tree))):
        found = catalog.relation(table.db or None, table.name)
        if isinstance(found, ViewText):
            yield from mentions(parse(found.sql, found.path), catalog, found.path)
        elif found is not None:
            yield found, (table.db or None, table.name, (table, path))
