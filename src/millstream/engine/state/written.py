"""Results of Python functions as PostgreSQL writes them: a writer for each declared type, made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from millstream.engine.state.functions import read_type

Writer = Callable[[Any], str | None]
"""A value as PostgreSQL's text; None is NULL. Raises TypeError or KeyError for what is not of the type."""


def writer_of(type_: str) -> Writer:
    """The writer of a type of RisingWave. What it writes raises ValueError where PostgreSQL cannot hold the text."""
    write = writer(read_type(type_))

    def checked(value: Any) -> str | None:
        text = write(value)
        if text is not None and ("\x00" in text or not text.isascii()):
            text.encode()  # a lone surrogate is a UnicodeEncodeError
            if "\x00" in text:
                raise ValueError("a result has the character NUL, which PostgreSQL cannot hold")
        return text

    return checked


def writer(kind: exp.DataType) -> Writer:
    """The writer of a type as it is parsed."""
    if kind.is_type(exp.DType.ARRAY):
        return array_writer(kind.expressions[0])
    if kind.is_type(exp.DType.STRUCT):
        return struct_writer({field.name: field.args["kind"] for field in kind.expressions})
    return literal


def array_writer(kind: exp.DataType) -> Writer:
    """An array: a list, or text that PostgreSQL reads; of structs a list alone."""
    write = writer(kind)
    structs = kind.is_type(exp.DType.STRUCT)

    def array(value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, (list, set)):
            return "{" + ",".join([element(write(item), "NULL") for item in value]) + "}"
        if structs:
            raise TypeError(f"an array of structs is a list of dicts, and not {type(value).__name__}")
        return literal(value)

    return array


def struct_writer(kinds: dict[str, exp.DataType]) -> Writer:
    """A struct, given as a dict of its fields."""
    writers = {name: writer(kind) for name, kind in kinds.items()}

    def struct(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise TypeError(f"a struct is a dict of its fields, and not {type(value).__name__}")
        if value.keys() - writers.keys():
            raise KeyError(f"undeclared fields {', '.join(sorted(value.keys() - writers.keys()))}")
        return "(" + ",".join([element(write(value.get(name)), "") for name, write in writers.items()]) + ")"

    return struct


def literal(value: Any) -> str | None:
    """Any other value: lists as arrays, dicts as jsonb."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, set)):
        return "{" + ",".join([element(literal(item), "NULL") for item in value]) + "}"
    if isinstance(value, tuple):
        return "(" + ",".join([element(literal(item), "") for item in value]) + ")"
    if isinstance(value, dict):
        return json.dumps(value)
    if hasattr(value, "item"):  # a numpy scalar
        return literal(value.item())
    return str(value)


def element(text: str | None, null: str) -> str:
    """One element of an array or struct, from its text; what needs no quotes has none."""
    if text is None:
        return null
    if text.isalnum() and text.upper() != "NULL":
        return text
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
