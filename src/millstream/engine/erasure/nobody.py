"""Ids that name nobody: what the project's vars missing_words and nobody_ids say, and macros/id_or_null.sql."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

WORDS = (
    "", "null", "(null)", "none", "nil", "undefined", "nan", "[object object]", "(not set)", "n/a",
    "0", "-1", "00000000-0000-0000-0000-000000000000", "anonymous", "guest", "unknown",
)  # fmt: skip
AROUND = " '\"\t\n\r"


def is_nobody(value: str | None) -> bool:
    """Whether an id is empty, blank or a placeholder, in any letter case, quoted or not."""
    return value is None or value.strip(AROUND).lower() in WORDS


def names_nobody(column: sql.Composable) -> sql.Composed:
    """The same as a condition on a column, in SQL of both engines."""
    words = sql.SQL(", ").join(map(sql.Literal, WORDS))
    return sql.SQL(
        "({column} is null or lower(btrim({column}, ' ''\"' || chr(9) || chr(10) || chr(13))) in ({words}))"
    ).format(column=column, words=words)


def listed(ids: Iterable[str]) -> sql.Composed:
    """Ids as an array, in SQL of both engines: RisingWave's extended protocol infers no type of a parameter here."""
    return sql.SQL("array[{}]::varchar[]").format(sql.SQL(", ").join(map(sql.Literal, sorted(ids))))
