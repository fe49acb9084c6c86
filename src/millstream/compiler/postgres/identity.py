"""When two rows are the same row.

SQL's equality is not enough: '30 days' = '1 month', 1.5 = 1.50 and 0 = -0, and yet one shows, adds and casts otherwise than
the other. Grouping and joins of a model go by equality, as SQL says. Whether a stored row is the one that a change means,
and whether a row has changed at all, goes by equality and by marks: what tells equal values of a loose type apart. Columns
of strict types, where equal values are the same value, need none, and what is written for them is the plain comparison.

Marks read text and float output, so the session must have extra_float_digits = 1, as the engine's sessions do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MODIFIER = re.compile(r" ?\([\d, -]+\)")  # of a length or a scale, which changes nothing here
SPELLED = {  # as declarations write types → as format_type() names them
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "int": "integer",
    "double": "double precision",
    "decimal": "numeric",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
# Text has a deterministic collation: no other can be declared.
STRICT = frozenset(
    {
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "oid",
        "text",
        "character varying",
        "name",
        "bytea",
        "uuid",
        "date",
        "time without time zone",
        "time with time zone",
        "timestamp without time zone",
        "timestamp with time zone",
    }
)
MARKS = {
    "numeric": "scale({0})",
    "double precision": "CASE WHEN {0} = 0 THEN {0}::text END",
    "real": "CASE WHEN {0} = 0 THEN {0}::text END",
    "interval": "interval_send({0})",
    "character": "octet_length({0})",
    "jsonb": "{0}::text",
    **{f"{element}[]": "array_send({0})" for element in ("numeric", "double precision", "real", "interval")},
}
ANY = "ROW({0})::text"  # what every type has, known or not

Columns = Sequence[
    tuple[str, str]
]  # (quoted name, its type as declared or as PostgreSQL names it, '' if unknown)


def named(type_: str) -> str:
    """The name that PostgreSQL gives a type, without length or scale."""
    bare = MODIFIER.sub("", type_.lower())
    element = bare.removesuffix("[]")
    return SPELLED.get(element, element) + bare[len(element) :]


def is_strict(type_: str) -> bool:
    """Tell whether equal values of a type are the same value. Arrays are as their elements; unknown types are loose."""
    return named(type_).removesuffix("[]") in STRICT


def loose(columns: Columns) -> Columns:
    """The columns whose equal values may differ."""
    return [(name, type_) for name, type_ in columns if not is_strict(type_)]


def mark(value: str, type_: str) -> str:
    """SQL for what tells equal values of a loose type apart; `value` is a column."""
    return MARKS.get(named(type_), ANY).format(value)


def texts(columns: Columns) -> str:
    """Values as an array of texts; a cast would cut the blanks of a character(n)."""
    items = [f"textin(bpcharout({c}))" if named(t) == "character" else f"{c}::text" for c, t in columns]
    return f"ARRAY[{', '.join(items)}]::text[]"


def as_text(columns: Columns) -> str:
    """Values as one text, by which they are put in order."""
    return f"{texts(columns)}::text"


def from_text(texts: str, number: int, type_: str) -> str:
    """The value of that number, from an array of texts; character alone would be of one letter."""
    return f"{texts}[{number}]::{'bpchar' if named(type_) == 'character' else type_}"


def image(columns: Columns, row: str = "") -> list[str]:
    """The columns of a row, then the marks of the loose ones: rows that agree in all of these are the same row.

    This is what to group by where a group must be one row several times.
    """
    prefix = f"{row}." if row else ""
    marks = [mark(prefix + name, type_) for name, type_ in loose(columns)]
    return [*(prefix + name for name, _ in columns), *marks]


def same(columns: Columns, left: str, right: str) -> str:
    """The condition that two rows are the same row."""
    return compared("IS NOT DISTINCT FROM", image(columns, left), image(columns, right), "true")


def differ(columns: Columns, left: str, right: str) -> str:
    """The condition that two rows are not the same row."""
    return compared("IS DISTINCT FROM", image(columns, left), image(columns, right), "false")


def compared(operator: str, left: Iterable[str], right: Iterable[str], nothing: str) -> str:
    """Compare two rows; PostgreSQL refuses to compare rows without columns."""
    mine, theirs = ", ".join(left), ", ".join(right)
    return f"ROW({mine}) {operator} ROW({theirs})" if mine else nothing
