"""Indexes on stored relations: those that lookups need, and those that a model asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import psycopg

from millstream.compiler.postgres.fitting import limits, values
from millstream.compiler.postgres.indexes import Index
from millstream.compiler.postgres.layout import where
from millstream.compiler.postgres.names import DATA, quote, short, table
from millstream.compiler.postgres.sizes import fits
from millstream.compiler.syntax.identifiers import named
from millstream.compiler.syntax.suggest import likely
from millstream.diagnostics import refuse
from millstream.engine.state.describe import describer


def make_index(
    conn: psycopg.Connection,
    index: Index,
    *,
    whole: bool = False,
    beside: Callable[[str], None] | None = None,
) -> str | None:
    """Create an index unless an existing one starts with the same columns; returns its name if it is made.

    It has the rows that fit it (compiler/postgres/fitting.py), unless all rows of the relation do, as a model sees to for its own.
    With `beside` ticks go on meanwhile, in as many transactions as it takes; that is told the name first.
    """
    wanted = ", ".join(index.expressions)
    kept = "" if whole else fitting(conn, index.relation, index.expressions)
    mark = hashlib.md5((wanted + kept).encode(), usedforsecurity=False).hexdigest()[:8]
    made = f"{DATA}.{quote(short(f'{index.relation}_{mark}_ix'))}"
    how = "CONCURRENTLY " if beside is not None else ""
    found = conn.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid, 0, true), s.kind = 'table' and not indisunique"
        " from pg_index left join millstream.state as s on s.name = %s where indrelid = %s::regclass and indisvalid",
        [index.relation, table(index.relation)],
    ).fetchall()
    for name, definition, may_go in found:
        listed, _, condition = definition.partition(" WHERE ")
        inside = listed[listed.index(" USING btree (") + 14 :].split(") INCLUDE")[0].rstrip(")")
        plain, mine = inside.replace('"', ""), wanted.replace('"', "")
        if plain != mine and not plain.startswith(mine + ","):
            continue
        if (
            may_go and kept and not condition
        ):  # an earlier release made it, and a long value would stop every tick
            conn.execute(f"DROP INDEX {how}{name}".encode())
        elif not condition or kept == fitting(conn, index.relation, split_top(inside)):
            return None
    if is_there(conn, made):  # PostgreSQL writes some expressions in its own way
        return None
    create = f"INDEX {how}{made.removeprefix(f'{DATA}.')} ON {table(index.relation)} ({wanted}){kept}"
    try:
        if beside is not None:
            beside(made)
            conn.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {made}".encode())  # left by one who ended early
            conn.execute(f"CREATE {create}".encode())
        else:
            with conn.transaction():
                conn.execute(f"CREATE {create}".encode())
    except psycopg.errors.InvalidObjectDefinition:  # an expression that a setting of the session decides
        columns = tuple(each for each in index.expressions if not each.startswith("("))
        if not columns:
            return None
        return make_index(conn, replace(index, expressions=columns), whole=whole, beside=beside)
    return made


def is_there(conn: psycopg.Connection, name: str) -> bool:
    """Tell whether there is a whole index of a name."""
    row = conn.execute(
        "select indisvalid from pg_index where indexrelid = to_regclass(%s)", [name]
    ).fetchone()
    return row is not None and bool(row[0])


def fitting(conn: psycopg.Connection, relation: str, expressions: Sequence[str]) -> str:
    """The WHERE clause of an index: its values must not be too long for it."""
    indexed = values(expressions)
    if not indexed:
        return ""
    types = describer(conn)(f"SELECT {', '.join(indexed)} FROM {table(relation)}")
    limited = limits([indexed], dict(zip(indexed, types, strict=True)), "")
    condition = where(fits(fit) for fit in limited)
    return f" {condition}" if condition else ""


def named_columns(indexes: Sequence[Sequence[str]]) -> list[list[str]]:
    """The columns of a model's indexes; in a configuration a name is in small letters unless it stands in quotes."""
    return [[named(column) for column in columns] for columns in indexes]


def check_columns(
    indexes: Sequence[Sequence[str]], shown: Sequence[str], name: str, path: str | None
) -> list[list[str]]:
    """The columns of a model's indexes; refuses those that the model does not show."""
    for column in chain.from_iterable(indexes):
        if named(column) not in shown:
            meant = likely(named(column), shown)
            raise refuse("MS038", None, path=path, likely=meant, view=name, column=column)
    return named_columns(indexes)


def split_top(text: str) -> list[str]:
    """Split at commas outside of parentheses."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]
