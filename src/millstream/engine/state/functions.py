"""Python functions in the database: their types, and a declaration that models can call."""

from __future__ import annotations

import re
from collections.abc import Sequence

from millstream.compiler.postgres.names import quote, short
from millstream.compiler.syntax.identifiers import named
from millstream.diagnostics import refuse
from millstream.engine.catalog.records import PythonFunction

FIELD = re.compile(r'("(?:[^"]|"")+"|[\w$]+)\s+(.+)', re.S)


def split_top(text: str) -> list[str]:
    """Split at commas outside of angle brackets and parentheses."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def struct_fields(type_: str) -> list[str] | None:
    """Return the field names of a struct or an array of structs; None for any other type."""
    struct = re.fullmatch(r"struct\s*<(.*)>(?:\[\])*", type_.strip(), re.I | re.S)
    return [named(FIELD.match(part)[1]) for part in split_top(struct[1])] if struct is not None else None  # type: ignore[index]


def translate(type_: str, schema: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """Translate a RisingWave type to PostgreSQL; a struct becomes a composite type called `name`.

    Returns the type and the composite types that it needs, as name and fields, inner ones first.
    """
    text = type_.strip()
    array = ""
    while text.endswith("[]"):
        text, array = text[:-2].strip(), array + "[]"
    struct = re.fullmatch(r"struct\s*<(.*)>", text, re.I | re.S)
    if struct is None:
        plain = {
            "varchar": "varchar",
            "string": "varchar",
            "double": "double precision",
            "float": "double precision",
        }
        return plain.get(text.lower(), text) + array, []
    made: list[tuple[str, str]] = []
    fields = []
    for part in split_top(struct[1]):
        matched = FIELD.fullmatch(part)
        if matched is None:
            raise refuse("MS031", None, part)
        field = named(matched[1])
        inner, needed = translate(matched[2], schema, f"{name}_{field}")
        made += needed
        fields.append(f"{quote(field)} {inner}")
    composite = f"{quote(schema)}.{quote(short(name))}"
    made.append((composite, ", ".join(fields)))
    return composite + array, made


def signature(
    schema: str, name: str, arguments: Sequence[Sequence[str]], returns: str
) -> tuple[list[str], str, list[tuple[str, str]]]:
    """The arguments and the result of a Python function as PostgreSQL's, and the composite types that they need."""
    result, made = translate(returns, schema, f"{name}_result")
    listed = []
    for argument, type_ in arguments:
        text, more = translate(type_, schema, f"{name}_{argument}")
        made += more
        listed.append(f"{quote(argument)} {text}")
    return listed, result, made


def declare_function(schema: str, name: str, arguments: Sequence[Sequence[str]], returns: str) -> list[str]:
    """Statements that declare a Python function, so that models can call it."""
    listed, result, made = signature(schema, name, arguments, returns)
    return [
        *(f"CREATE TYPE {composite} AS ({fields})" for composite, fields in made),
        f"CREATE FUNCTION {quote(schema)}.{quote(name)}({', '.join(listed)}) RETURNS {result} LANGUAGE plpgsql "
        "AS $f$ BEGIN RAISE EXCEPTION 'Python functions run in the worker, for materialized views only'; "
        "END $f$",
    ]


def drop_types(schema: str, name: str, function: PythonFunction) -> list[str]:
    """Statements that drop the types that a Python function was declared with."""
    _, _, made = signature(schema, name, function.arguments, function.returns)
    return [f"DROP TYPE IF EXISTS {composite} CASCADE" for composite, _ in reversed(made)]
