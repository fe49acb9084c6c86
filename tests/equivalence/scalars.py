"""Scalar expressions and predicates over the columns in scope, as SQL text.

Left out because PostgreSQL and DuckDB (or RisingWave) differ there, not the engine under test:

- integer overflow: an error, NULL or infinity, by engine; a bad cast and a division by zero are spelled as calls that each
  side makes NULL in its own way (lenient.py)
- arithmetic on `avg` and on sums of doubles: last bits
- collations other than C, `random()`, `now()` anywhere but in a temporal filter
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.equivalence.schema import Column
from tests.equivalence.values import INTEGRAL, literal, values

HOLE = re.compile(r"\{([\w \[\]]+)\}")
"""An argument of a template: `{integer}` takes any expression of that type."""

SHARED = {  # what PostgreSQL and DuckDB compute alike; calls.py has all the rest
    "integer": (
        "greatest({integer}, {integer}, {integer})",
        "least({integer}, {integer})",
        "nullif({integer}, {integer})",
        "abs({integer})",
        "(- {integer})",
        "({integer} & {integer})",
        "({integer} | {integer})",
        "strpos({varchar}, 'a')",
        "case {integer} when {integer} then {integer} else {integer} end",
    ),
    "varchar": (
        "replace({varchar}, 'a', {varchar})",
        "left({varchar}, 1)",
        "right({varchar}, 1)",
        "substring({varchar} from 2 for 1)",
        "trim(both 'a' from {varchar})",
        "reverse({varchar})",
        "lower({varchar})",
        "lpad({varchar}, 3, '*')",
        "concat({varchar}, {varchar}, {integer})",
        "split_part({varchar}, '''', 1)",
        "md5({varchar})",
        "cast({integer} as varchar)",
        "nullif({varchar}, {varchar})",
        "greatest({varchar}, {varchar})",
    ),
    "boolean": (
        "({varchar} like {varchar})",
        "({varchar} not like 'a%')",
        "starts_with({varchar}, {varchar})",
        "({integer} between {integer} and {integer})",
        "({integer} not in ({integer}, {integer}))",
        "({boolean} is not true)",
    ),
    "timestamptz": (
        "date_trunc('day', {timestamptz})",
        "({timestamptz} - interval '90 minutes')",
        "greatest({timestamptz}, {timestamptz})",
    ),
}
SHARED["bigint"] = SHARED["integer"]


@dataclass(frozen=True)
class Scoped:
    """A column as an expression may name it: its qualified text and what it is."""

    text: str
    column: Column


def pick(draw: st.DrawFn, choices: Sequence[str]) -> str:
    return draw(st.sampled_from(choices))


def of_type(scope: Sequence[Scoped], type_name: str) -> list[Scoped]:
    """The comparable columns of a type (any integral type serves an integral one)."""
    wanted = INTEGRAL if type_name in INTEGRAL else {type_name}
    return [each for each in scope if each.column.comparable and each.column.type in wanted]


def loaded_text(scope: Sequence[Scoped]) -> list[Scoped]:
    """The text columns whose values no statement fixes."""
    return [each for each in of_type(scope, "varchar") if each.column.loaded]


def constant(draw: st.DrawFn, type_name: str, *, nullable: bool = False) -> str:
    domain = "integer" if type_name == "bigint" else type_name
    return literal(draw(values(domain, nullable=nullable)), type_name)


def expression(draw: st.DrawFn, scope: Sequence[Scoped], type_name: str, depth: int = 2) -> str:
    """An exact expression of `type_name` (for "integer" the result may be bigint where a column is)."""
    columns = of_type(scope, type_name)
    kinds = ["column"] if columns else ["constant"]
    if depth > 0:
        kinds += ["case", "coalesce", *(["call", "call"] if type_name in SHARED else [])]
        if type_name in ("integer", "bigint"):
            kinds += ["arithmetic", "length", "try_divide", "try_modulo"]
            # A bad cast of a constant is an error on deployment.
            kinds += ["try_integer"] if type_name == "integer" and loaded_text(scope) else []
        elif type_name == "varchar":
            kinds += ["concat", "upper"]
        elif type_name == "boolean":
            kinds += ["predicate"]
        elif type_name == "timestamptz":
            kinds += ["date_trunc"]
    kind = pick(draw, kinds)
    if kind == "column":
        return draw(st.sampled_from(columns)).text
    if kind == "constant":
        return constant(draw, type_name, nullable=True)
    if kind == "case":
        condition = predicate(draw, scope, depth - 1)
        first, second = (expression(draw, scope, type_name, depth - 1) for _ in range(2))
        tail = pick(draw, (f" else {second}", ""))
        return f"case when {condition} then {first}{tail} end"
    if kind == "call":
        template = pick(draw, SHARED[type_name])
        return HOLE.sub(lambda hole: expression(draw, scope, hole[1], depth - 1), template)
    if kind == "coalesce":
        return f"coalesce({expression(draw, scope, type_name, depth - 1)}, {constant(draw, type_name)})"
    if kind == "arithmetic":
        left, right = (expression(draw, scope, type_name, depth - 1) for _ in range(2))
        return f"({left} {pick(draw, ('+', '-'))} {right})"
    if kind in ("try_divide", "try_modulo"):
        left, right = (expression(draw, scope, type_name, depth - 1) for _ in range(2))
        return f"{kind}({left}, {right})"
    if kind == "try_integer":
        text = draw(st.sampled_from(loaded_text(scope))).text
        return f"try_integer({pick(draw, (text, f'upper({text})'))})"
    if kind == "length":
        return f"length({expression(draw, scope, 'varchar', depth - 1)})"
    if kind == "concat":
        return f"({expression(draw, scope, 'varchar', depth - 1)} || {constant(draw, 'varchar')})"
    if kind == "upper":
        return f"upper({expression(draw, scope, 'varchar', depth - 1)})"
    if kind == "date_trunc":
        return f"date_trunc('hour', {expression(draw, scope, 'timestamptz', depth - 1)})"
    return f"({predicate(draw, scope, depth - 1)})"


def predicate(draw: st.DrawFn, scope: Sequence[Scoped], depth: int = 2) -> str:
    """A boolean expression over the comparable columns in scope."""
    comparable = [each for each in scope if each.column.comparable]
    if not comparable:
        return pick(draw, ("true", "1 = 1"))
    kinds = ["compare", "null", "in"]
    if any(each.column.type == "boolean" for each in comparable):
        kinds.append("flag")
    if depth > 0:
        kinds += ["and", "or", "not", "columns", "between", "distinct"]
    kind = pick(draw, kinds)
    if kind in ("and", "or"):
        return f"({predicate(draw, scope, depth - 1)} {kind} {predicate(draw, scope, depth - 1)})"
    if kind == "not":
        return f"not ({predicate(draw, scope, depth - 1)})"
    if kind == "flag":
        return draw(st.sampled_from([each for each in comparable if each.column.type == "boolean"])).text
    chosen = draw(st.sampled_from(comparable))
    text, type_name = chosen.text, chosen.column.type
    if kind == "null":
        return f"{text} is {pick(draw, ('null', 'not null'))}"
    if kind == "in":
        return f"{text} in ({constant(draw, type_name)}, {constant(draw, type_name)})"
    if kind == "between":
        return f"{text} between {constant(draw, type_name)} and {constant(draw, type_name)}"
    if kind == "distinct":
        operator = pick(draw, ("is distinct from", "is not distinct from"))
        return f"{text} {operator} {constant(draw, type_name, nullable=True)}"
    operator = pick(draw, ("=", "<>", "<", ">=", ">"))
    if kind == "columns":
        return f"{text} {operator} {draw(st.sampled_from(of_type(scope, type_name) or [chosen])).text}"
    return f"{text} {operator} {constant(draw, type_name)}"
