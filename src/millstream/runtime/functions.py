"""Python functions in the database: their types, and a declaration that models can call."""

from __future__ import annotations

import re

from millstream.errors import Diagnostic, Refused


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
    return [part.split()[0].strip('"') for part in split_top(struct[1])] if struct is not None else None


def translate(type_: str, name: str) -> tuple[str, list[str]]:
    """Translate a RisingWave type to PostgreSQL; a struct becomes a composite type called after `name`.

    Returns the type and the statements that create what it needs.
    """
    text = type_.strip()
    array = ""
    while text.endswith("[]"):
        text, array = text[:-2].strip(), array + "[]"
    struct = re.fullmatch(r"struct\s*<(.*)>", text, re.I | re.S)
    if struct is None:
        plain = {"varchar": "varchar", "string": "varchar", "double": "double precision", "float": "real"}
        return plain.get(text.lower(), text) + array, []
    made: list[str] = []
    fields = []
    for part in split_top(struct[1]):
        matched = re.fullmatch(r'("?\w+"?)\s+(.+)', part, re.S)
        if matched is None:
            raise Refused(
                Diagnostic(
                    "MS031", f"struct field {part}", "a field is a name and a type", "write  name type"
                )
            )
        inner, needed = translate(matched[2], f"{name}_{matched[1].strip(chr(34))}")
        made += needed
        fields.append(f"{matched[1]} {inner}")
    made.append(f"CREATE TYPE {name} AS ({', '.join(fields)})")
    return name + array, made
