"""Operations that fail on some values, and how each side comes to the NULL that RisingWave's streams give.

Generated SQL spells them as calls of `try_integer(text)`, `try_divide(a, b)` and `try_modulo(a, b)`.

- The engine gets the operation itself, `cast(text as integer)`, `(a / b)`, `(a % b)`: to make it NULL where it fails is its
  own work.
- PostgreSQL's oracle has functions of these names, which try the operation and catch the error.
- DuckDB's oracle has macros of these names, over its own TRY_CAST and a CASE.

So what is expected owes nothing to the rewriting under test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

OPERATIONS: dict[str, Callable[..., str]] = {
    "try_integer": lambda text: f"cast({text} as integer)",
    "try_divide": lambda a, b: f"({a} / {b})",
    "try_modulo": lambda a, b: f"({a} % {b})",
}

POSTGRES = """
create function try_integer(value text) returns integer language plpgsql immutable as
$$ begin return value::integer; exception when data_exception then return null; end $$;
""" + "".join(
    f"create function try_{name}(a {type_}, b {type_}) returns {type_} language plpgsql immutable as"
    f" $$ begin return a {sign} b; exception when division_by_zero then return null; end $$;\n"
    for type_ in ("integer", "bigint")
    for name, sign in (("divide", "/"), ("modulo", "%"))
)

DUCKDB = (
    "create macro try_integer(value) as try_cast(value as integer)",
    "create macro try_divide(a, b) as case when b = 0 then null else a // b end",
    "create macro try_modulo(a, b) as case when b = 0 then null else a % b end",
)


def may_fail(sql: str) -> bool:
    """Tell whether a generated statement has such an operation."""
    return _call_of(OPERATIONS).search(sql) is not None


def as_operations(sql: str) -> str:
    """Write the calls as the operations that they stand for."""
    return rewritten(sql, OPERATIONS)


def rewritten(sql: str, ways: Mapping[str, Callable[..., str]]) -> str:
    """Write the calls of some functions otherwise; none of the ways may write such a call itself."""
    while (found := _call_of(ways).search(sql)) is not None:
        parts, end = arguments(sql, found.end())
        sql = sql[: found.start()] + ways[found[1]](*parts) + sql[end:]
    return sql


def _call_of(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(names)})\(")


def arguments(sql: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call whose parenthesis opens just before `start`, and the position behind it."""
    parts, depth, quoted, begun = [], 0, False, start
    for position in range(start, len(sql)):
        char = sql[position]
        if char == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([":
            depth += 1
        elif char in {",", ")"} and depth == 0:
            parts.append(sql[begun:position].strip())
            begun = position + 1
            if char == ")":
                return parts, begun
        elif char in ")]":
            depth -= 1
    raise ValueError(f"a call is not closed: {sql[start:]}")
