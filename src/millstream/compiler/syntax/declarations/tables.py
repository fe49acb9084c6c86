"""Read CREATE TABLE: columns and key through the parser, RisingWave's clauses behind them by their words."""

from __future__ import annotations

import re
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.compiler.dialect import DIALECT, write
from millstream.compiler.syntax.declarations.columns import parse_column
from millstream.compiler.syntax.declarations.declared import ColumnDeclaration, TableDeclaration
from millstream.compiler.syntax.declarations.generated import check_generated
from millstream.compiler.syntax.declarations.text import NAME, QUALIFIED, end_of_brackets, without_comments
from millstream.compiler.syntax.identifiers import check_names, fold, named, refuse_own
from millstream.compiler.syntax.structs import Composites
from millstream.compiler.syntax.suggest import likely
from millstream.diagnostics import refuse


def parse_table(ddl: str, path: str | None = None, *, new: bool = False) -> TableDeclaration:
    """Read CREATE TABLE name (columns) [APPEND ONLY] [ON CONFLICT …] [WITH VERSION COLUMN (c, …)].

    What a `new` declaration calls its columns is checked; one that is deployed may be from before.
    """
    text = without_comments(ddl)
    head = re.match(rf"\s*create\s+table\s+(?:if\s+not\s+exists\s+)?{QUALIFIED}\s*\(", text, re.I)
    if head is None:
        raise refuse("MS030/not a table", None, path=path)
    end = end_of_brackets(text, head.end() - 1)
    if end < 0:
        raise refuse("MS030/open parenthesis", None, path=path)
    made: Composites = {}
    columns, key = parse_columns(text[:end], path, made, new=new)
    rest = " ".join(text[end:].split())
    versions: tuple[str, ...] = ()
    matched = re.search(rf"with version column\s*\(\s*({NAME}(?:\s*,\s*{NAME})*)\s*\)", rest, re.I)
    if matched:
        versions = tuple(named(name) for name in re.findall(NAME, matched.group(1)))
        rest = rest.replace(matched.group(), "").strip()
    rest = rest.lower()
    append_only = "append only" in rest
    rest = rest.replace("append only", "").strip()
    conflict = "overwrite" if key else "bag"
    if rest == "on conflict do nothing":
        conflict, rest = "ignore", ""
    elif rest == "on conflict do update if not null":
        conflict, rest = "fill", ""
    elif rest in ("on conflict overwrite", "on conflict do update full"):
        rest = ""
    if rest:
        raise refuse("MS030/option", None, rest, path)
    if not key and conflict != "bag":
        raise refuse("MS030/conflict without a key", None, path=path)
    check_versions(versions, columns, conflict, path)
    return TableDeclaration(columns, key, conflict, versions, append_only, tuple(made.items()))


def check_versions(
    versions: tuple[str, ...], columns: tuple[ColumnDeclaration, ...], conflict: str, path: str | None
) -> None:
    """Refuse version columns that are not there, and those of a table that never overwrites a row."""
    for version in versions:
        if version not in {column.name for column in columns}:
            raise refuse("MS030/unknown version column", None, version, path)
    if versions and conflict not in ("overwrite", "fill"):
        raise refuse("MS030/version never compared", None, path=path)


def parse_columns(
    text: str, path: str | None, made: Composites, *, new: bool
) -> tuple[tuple[ColumnDeclaration, ...], tuple[str, ...]]:
    """Read CREATE TABLE name (columns) through sqlglot."""
    try:
        create = fold(sqlglot.parse_one(text, dialect=DIALECT))
    except (ParseError, TokenError) as error:
        found = (error.errors or [{}])[0] if isinstance(error, ParseError) else {}
        why = found.get("description") or str(error).splitlines()[0]
        where = (found.get("line"), found.get("col"))
        raise refuse("MS030/unread", where, why, path) from error
    schema = create.this
    if not isinstance(schema, exp.Schema):
        raise refuse("MS030/no columns", None, path=path)
    if new:
        check_names(create, path)
        for item in schema.find_all(exp.ColumnDef):
            refuse_own(item.name, item, path, source=item.parent is schema)
    keys: list[list[str]] = []
    columns: list[ColumnDeclaration] = []
    for item in schema.expressions:
        if isinstance(item, exp.PrimaryKey):
            keys.append([part.name for part in item.expressions])
        elif isinstance(item, exp.ColumnDef):
            if item.name in {column.name for column in columns}:
                raise refuse("MS030/column twice", item, item.name, path)
            columns.append(parse_column(item, keys, made, path))
        else:
            raise refuse("MS030/element", item, write(item), path)
    if len(keys) > 1:
        raise refuse("MS030/two keys", None, path=path)
    if not columns:
        raise refuse("MS030/no columns", None, path=path)
    key = keys[0] if keys else []
    check_key(key, columns, path)
    check_generated(columns, key, path)
    return tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns), tuple(key)


def check_key(key: list[str], columns: list[ColumnDeclaration], path: str | None) -> None:
    """Refuse a key that names a column twice, or one that is not there."""
    names = [column.name for column in columns]
    for number, name in enumerate(key):
        if name not in names:
            raise refuse("MS030/unknown key column", None, name, path, likely(name, names))
        if name in key[:number]:
            raise refuse("MS030/key column twice", None, name, path)
