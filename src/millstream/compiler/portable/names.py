"""Names that PostgreSQL reads and RisingWave does not."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.dialect import write
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA
from millstream.compiler.syntax.identifiers import RISINGWAVE, SYSTEM
from millstream.compiler.syntax.reads import is_relation
from millstream.diagnostics import refuse
from millstream.errors import Refused


def of_name(node: exp.Expr, path: str | None) -> Iterator[Refused]:
    """What one name may say."""
    if isinstance(node, exp.Identifier) and not node.quoted and not node.this.isascii():
        yield refuse("MS081", node, f"{node.this} without double quotes", path)
    elif isinstance(node, exp.Alias) and (node.alias.startswith(RISINGWAVE) or node.alias in SYSTEM):
        yield refuse("MS081", node.args["alias"], f"{node.alias}, which is one of its own", path)
    elif isinstance(node, exp.Column) and node.catalog:
        yield refuse("MS081", node, f"{write(node)} of four parts", path)


def of_schemas(select: exp.Select, path: str | None) -> Iterator[Refused]:
    """A column may name the schema of a relation only where FROM names it too."""
    tables = [table for table in select.find_all(exp.Table) if not table.alias]
    bare = {table.name for table in tables if not table.db and is_relation(table)}
    bare -= {table.name for table in tables if table.db == DEFAULT_SCHEMA}
    for column in select.find_all(exp.Column):
        if column.db == DEFAULT_SCHEMA and column.table in bare:
            yield refuse("MS081", column, f"{write(column)}, whose schema FROM does not name", path)
