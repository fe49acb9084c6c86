"""Read one query, or refuse it with the place of what cannot be read."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.compiler.algebra.fallible import note_text
from millstream.compiler.dialect import DIALECT, called
from millstream.compiler.syntax.corresponding import spell_out
from millstream.compiler.syntax.identifiers import check_names, fold
from millstream.diagnostics import refuse

# Calls that are a part of PostgreSQL's grammar: how many arguments they have.
ARGUMENTS = {"nullif": (2, 2), "greatest": (1, 1000), "least": (1, 1000)}


def parse(sql: str, path: str | None = None) -> exp.Expr:
    """Parse one query; a syntax error is a refusal with its place."""
    try:
        statements = [
            statement
            for statement in sqlglot.parse(sql, dialect=DIALECT)
            if statement is not None and not isinstance(statement, exp.Semicolon)
        ]
    except (ParseError, TokenError) as error:
        first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        inside = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]*\.(\w+)'>")
        detail = inside.sub(r"\1 is incomplete", first.get("description") or str(error).splitlines()[0])
        raise refuse("MS001", (first.get("line"), first.get("col")), detail, path) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        second = statements[1] if len(statements) > 1 else None
        raise refuse("MS001/one query", second, "statement" if statements else "empty text", path)
    note_text(statements[0])
    refuse_incomplete(statements[0], path)
    tree = check_names(fold(statements[0]), path)
    spell_out(tree, path)
    return tree


def refuse_incomplete(tree: exp.Expr, path: str | None) -> None:
    """Refuse what sqlglot reads though a part of it is missing."""
    for node in tree.find_all(exp.Order, exp.Tuple):
        if isinstance(node, exp.Order) and isinstance(node.parent, exp.Func) and node.this is None:
            what = called(node.parent) or node.parent.sql_name().lower()
            raise refuse("MS001", node, f"{what} has nothing before ORDER BY", path)
        if (
            isinstance(node, exp.Tuple)
            and not node.expressions
            and isinstance(node.parent, (exp.In, exp.Values))
        ):
            raise refuse("MS001", node.parent, "there is nothing between two brackets", path)
    for call in tree.find_all(exp.Anonymous):
        few, most = ARGUMENTS.get(called(call), (0, len(call.expressions)))
        if not few <= len(call.expressions) <= most:
            takes = "two arguments" if most == few else "at least one argument"
            raise refuse("MS001", call, f"{called(call)} has {takes}", path)


def is_process_time(table: exp.Table) -> bool:
    """Tell whether a table in FROM carries FOR SYSTEM_TIME AS OF PROCTIME()."""
    version = table.args.get("version")
    if version is None:
        return False
    moment = version.expression
    return isinstance(moment, exp.Anonymous) and moment.name.lower() == "proctime"
