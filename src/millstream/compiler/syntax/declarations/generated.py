"""Check generated columns: each is computed from the columns that are given with the row, and from nothing else."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from millstream.compiler.dialect import DIALECT, called, write
from millstream.compiler.syntax.aggregate_calls import is_aggregate
from millstream.compiler.syntax.declarations.declared import ColumnDeclaration
from millstream.compiler.syntax.uncertain import reads_clock, volatile
from millstream.diagnostics import refuse


def check_generated(columns: list[ColumnDeclaration], key: list[str], path: str | None) -> None:
    """Refuse generated columns of a key, and expressions that are more than a function of the given columns."""
    given = {column.name for column in columns if column.generated is None}
    for column in columns:
        if column.generated is None:
            continue
        try:
            expression = sqlglot.parse_one(column.generated, dialect=DIALECT)
        except ParseError as error:
            raise refuse("MS030/generated unread", None, column.name, path) from error
        trouble = first_uncertain(expression)
        foreign = [c.name for c in expression.find_all(exp.Column) if c.table or c.name not in given]
        if trouble or foreign:
            part = trouble or foreign[0]
            raise refuse("MS030/generated from elsewhere", None, path=path, column=column.name, part=part)
        if column.name in key:
            raise refuse("MS030/generated key", None, column.name, path)


def first_uncertain(expression: exp.Expr) -> str | None:
    """Return the first part of an expression whose value is not decided by the row."""
    for node in expression.walk():
        if is_aggregate(node) or reads_clock(node) or isinstance(node, (exp.Query, exp.Window)):
            return write(node)
        if (found := volatile(node)) is not None:
            return found
        if called(node) == "proctime":
            return "proctime()"
    return None
