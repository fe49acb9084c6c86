"""Calls, operators, casts and literals over every scalar type, with arguments that are columns: templates by result type.

A hole `{type}` takes any expression of that type, `{unit}`, `{format}` and the like take what the function reads there: a
literal, or the column of that name (SETTINGS), whose name is a unit, a format or a zone of its own and means nothing.
Templates are total: no value of the generated domains makes one fail. They keep to what RisingWave has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.equivalence.scalars import HOLE, Scoped, constant, of_type, pick

SETTINGS = {  # hole → the column that stands in it, and its two values
    "unit": ("day", "hour", "minute"),
    "field": ("epoch", "month", "dow"),
    "format": ("yyyy", "HH24:MI", "MM/DD"),
    "pattern": ("i", "[a-c]", "[^a]"),
    "encoding": ("base64", "hex", "escape"),
    "zone": ("utc", "Asia/Tokyo", "America/New_York"),
    "key": ("n", "a", "7"),
    "place": ("one", 2, 1),
    "size": ("hours", 0, 3),
}
TEMPLATES: dict[str, tuple[str, ...]] = {
    "integer": (
        "length({varchar})",
        "char_length({varchar})",
        "octet_length({varchar})",
        "position({varchar} in {varchar})",
        "strpos({varchar}, {varchar})",
        "ascii({varchar})",
        "regexp_count({varchar}, {pattern})",
        "({integer} & {integer})",
        "({integer} | {integer})",
        "({integer} # {integer})",
        "({integer} << {place})",
        "({integer} >> {place})",
        "(~ {integer})",
        "(- {integer})",
        "({integer} - {integer} - {integer})",
        "({integer} - ({integer} - {integer}))",
        "({integer} + {place} * {integer})",
        "({integer} / {place} * {place})",
        "({integer} % {place})",
        "mod({integer}, {place})",
        "abs({integer})",
        "greatest({integer}, {integer}, {integer})",
        "least({integer}, {integer})",
        "nullif({integer}, {integer})",
        "case {integer} when {integer} then {integer} when {integer} then {integer} else {integer} end",
        "cardinality({integer[]})",
        "array_position({integer[]}, {integer})",
        "({integer[]})[{place}]",
        "array_max({integer[]})",
        "array_min({integer[]})",
        "array_length({integer[]})",
        "jsonb_array_length(jsonb_build_array({integer}, {varchar}))",
        "({date} - {date})",
        "cast({boolean} as integer)",
        "cast({bigint} as integer)",
        "(0x1f + {integer})",
    ),
    "bigint": (
        "array_sum({integer[]})",
        "cast({integer} as bigint)",
        "({integer}::bigint << {place})",
        "({integer}::bigint - {integer})",
        "bit_length({varchar})::bigint",
    ),
    "numeric": (
        "round({numeric}, {place})",
        "trunc({numeric})",
        "({integer} * 1.50)",
        "({integer}::numeric / {place})",
        "({numeric} - {integer})",
        "1.5e1",
        "ceil({numeric})",
        "extract(hour from {timestamptz})",
        "extract(epoch from {interval})",
        "cast({integer} as numeric)",
    ),
    "double precision": (
        "({integer} ^ {place} ^ 3)",
        "(- {integer} ^ 2)",
        "pow({integer}, 2)",
        "sqrt(abs({double precision}))",
        "floor({double precision})",
        "round({double precision})",
        "sign({double precision})",
        "atan2({double precision}, {double precision})",
        "degrees({double precision})",
        "cbrt({double precision})",
        "date_part({field}, {timestamptz})",
        "({double precision} - {integer} - {double precision})",
        "cast({numeric} as double precision)",
        "nullif({double precision}, {integer})",
    ),
    "varchar": (
        "substring({varchar} from {place} for {size})",
        "(regexp_match({varchar}, {pattern}))[1]",
        "substr({varchar}, {place}, {size})",
        "substr({varchar}, {integer})",
        "overlay({varchar} placing {varchar} from {place} for {size})",
        "overlay({varchar} placing {varchar} from {place})",
        "trim({varchar})",
        "trim(both {varchar} from {varchar})",
        "trim(leading {varchar} from {varchar})",
        "trim(trailing from {varchar})",
        "ltrim({varchar}, {varchar})",
        "rtrim({varchar}, {varchar})",
        "btrim({varchar}, {varchar})",
        "left({varchar}, {integer})",
        "right({varchar}, {integer})",
        "lpad({varchar}, {size}, {varchar})",
        "rpad({varchar}, {size})",
        "repeat({varchar}, {size})",
        "replace({varchar}, {varchar}, {varchar})",
        "translate({varchar}, {varchar}, {varchar})",
        "split_part({varchar}, {varchar}, {place})",
        "reverse({varchar})",
        "initcap({varchar})",
        "chr(64 + {place})",
        "md5({varchar})",
        "to_hex({integer})",
        "concat({varchar}, {integer}, {boolean})",
        "concat_ws({varchar}, {varchar}, {integer}, {varchar})",
        "regexp_replace({varchar}, {pattern}, {varchar})",
        "regexp_replace({varchar}, {pattern}, {varchar}, 'g')",
        "format('%s-%s', {varchar}, {integer})",
        "to_char({timestamptz}, {format})",
        "encode({bytea}, {encoding})",
        "({varchar} || {varchar})",
        "cast({integer} as varchar)",
        "cast({timestamptz} as date)::varchar",
        "{boolean}::varchar",
        "({jsonb} ->> {key})",
        "({jsonb} #>> {varchar[]})",
        "jsonb_typeof({jsonb})",
        "array_to_string({varchar[]}, {varchar})",
        "({varchar[]})[{place}]",
        "greatest({varchar}, {varchar})",
        "nullif({varchar}, {varchar})",
        "coalesce({varchar}, {varchar}, {varchar})",
        r"e'a\tb\x41'",
    ),
    "boolean": (
        "({varchar} like {varchar})",
        "({varchar} not like {varchar})",
        "({varchar} ilike {varchar} || '%')",
        "({varchar} ~ {pattern})",
        "({varchar} !~ {pattern})",
        "starts_with({varchar}, {varchar})",
        "({integer} between {integer} and {integer})",
        "({varchar} not between {varchar} and {varchar})",
        "({integer} in ({integer}, {integer}))",
        "({varchar} not in ({varchar}, {varchar}))",
        "({integer} is distinct from {integer})",
        "({integer} & {integer} = {integer})",
        "({boolean} is not true)",
        "({boolean} is unknown)",
        "(not {boolean} = {boolean})",
        "({boolean} or {boolean} and not {boolean})",
        "({jsonb} @> {jsonb})",
        "({jsonb} ? {key})",
        "({jsonb} ?| array[{key}, {key}])",
        "({integer[]} @> {integer[]})",
        "({integer} = any({integer[]}))",
        "array_contains({integer[]}, {integer[]})",
        "({integer} <> all({integer[]}))",
        "({date} < {date})",
        "({interval} > {interval})",
        "({bytea} = {bytea})",
    ),
    "timestamptz": (
        "date_trunc({unit}, {timestamptz})",
        "date_trunc({unit}, {timestamptz}, {zone})",
        "({timestamptz} + {interval})",
        "({timestamptz} - {interval})",
        "({timestamptz} at time zone {zone} at time zone {zone})",
        "to_timestamp({integer})",
        "greatest({timestamptz}, {timestamptz})",
        "timestamptz '2024-01-01 12:00:00+00'",
        "cast({date} as timestamptz)",
    ),
    "date": (
        "cast({timestamptz} as date)",
        "({date} + {integer})",
        "date '2024-02-29'",
        "make_date(2024, {place}, {place})",
    ),
    "interval": (
        "interval '90 minutes'",
        "({place} * interval '1 hour')",
        "({timestamptz} - {timestamptz})",
        "({interval} + {interval})",
    ),
    "jsonb": (
        "jsonb_build_object('a', {integer}, '7', {varchar})",
        "jsonb_build_array({integer}, {varchar}, {boolean})",
        "to_jsonb(cast({varchar} as varchar))",
        "({jsonb} -> {key})",
        "({jsonb} #> {varchar[]})",
        "({jsonb} || {jsonb})",
        "(jsonb_build_object('a', {integer}) - {varchar})",
        """jsonb '{"a": {"7": 1}}'""",
    ),
    "integer[]": (
        "array[{integer}, {integer}]",
        "({integer[]} || {integer})",
        "({integer[]} || {integer[]})",
        "({integer[]})[{place}:{size}]",
        "array_remove({integer[]}, {integer})",
        "array_replace({integer[]}, {integer}, {integer})",
        "array_prepend({integer}, {integer[]})",
    ),
    "varchar[]": (
        "array[cast({varchar} as varchar), '7']",
        "string_to_array({varchar}, {varchar})",
        "array[]::varchar[]",
    ),
    "bytea": (
        "convert_to({varchar}, 'UTF8')",
        "decode(md5({varchar}), 'hex')",
        "sha256({bytea})",
        "({bytea} || {bytea})",
    ),
}
"""Type → expressions of it, the simplest first."""

RENAMED: dict[str, Callable[..., str]] = {  # RisingWave's function → the same in PostgreSQL's terms
    "array_max": lambda list_: f"(select max(x) from unnest({list_}) as u (x))",
    "array_min": lambda list_: f"(select min(x) from unnest({list_}) as u (x))",
    "array_sum": lambda list_: f"(select sum(x) from unnest({list_}) as u (x))",
    "array_length": lambda list_: f"cardinality({list_})",
    "array_contains": lambda list_, part: f"({list_} @> {part})",
}


def settings(draw: st.DrawFn, decider: str) -> str:
    """A list of columns for the settings; which of its two values each has depends on a row."""
    columns = []
    for name, *values in SETTINGS.values():
        first, second = (value if isinstance(value, int) else f"'{value}'" for value in values)
        columns.append(f"case when {decider} then {first} else {second} end as {name}")
    return ", ".join(columns)


def call(draw: st.DrawFn, scope: Sequence[Scoped], alias: str, type_name: str, depth: int = 3) -> str:
    """An expression of a type; `alias` has the settings."""
    leaves = [each.text for each in of_type(scope, type_name)]
    if depth == 0 and leaves:
        return pick(draw, leaves)
    if depth == 0 and type_name in ("integer", "varchar", "double precision", "boolean", "timestamptz"):
        return constant(draw, type_name, nullable=True)
    templates = TEMPLATES[type_name]
    if depth <= 0:
        templates = tuple(each for each in templates if f"{{{type_name}}}" not in each)

    def filled(hole: re.Match[str]) -> str:
        name = hole[1]
        if name in SETTINGS:
            return setting(draw, alias, name)
        return call(draw, scope, alias, name, max(depth - 1, 0))

    return HOLE.sub(filled, pick(draw, templates))


def setting(draw: st.DrawFn, alias: str, name: str) -> str:
    """What a function reads: one of the two values, or the column."""
    column, *values = SETTINGS[name]
    chosen = draw(st.sampled_from((column, *values)))
    if chosen == column:
        return pick(draw, (column, f"{alias}.{column}"))
    return str(chosen) if isinstance(chosen, int) else f"'{chosen}'"
