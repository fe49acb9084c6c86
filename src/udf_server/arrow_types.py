"""Types as a declaration writes them, as Arrow types: `struct<a varchar, b real[]>[]` → list<struct<a, b>>."""

from __future__ import annotations

import re

import pyarrow as pa
from arrow_udf import DecimalType, JsonType

from udf_server.errors import FunctionServerError

PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "bool": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "float": pa.float32(),
    "double": pa.float64(),
    "double precision": pa.float64(),
    "numeric": DecimalType(),
    "decimal": DecimalType(),
    "varchar": pa.string(),
    "string": pa.string(),
    "text": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "interval": pa.month_day_nano_interval(),
    "jsonb": JsonType(),
}
"""How RisingWave sends a type to an external function (protocol version 2)."""

INSTEAD = {
    "timestamptz": "pass extract(epoch from t) as double precision",
    "timestamp with time zone": "pass extract(epoch from t) as double precision",
    "vector": "cast it: v::real[]",
}


def arrow_type(text: str) -> pa.DataType:
    """Translate one type. Raises FunctionServerError for a type that RisingWave cannot send to an external function."""
    name = " ".join(text.split()).lower()
    if name.endswith("[]"):
        return pa.list_(arrow_type(name[:-2]))
    struct = re.fullmatch(r"struct ?<(.*)>", name)
    if struct is not None:
        return pa.struct([field(part) for part in split(struct[1])])
    found = PLAIN.get(name)
    if found is None:
        remedy = INSTEAD.get(name.split("(")[0], f"known are {', '.join(PLAIN)}, arrays and structs of them")
        raise FunctionServerError(f"type {text} cannot be sent to an external function: {remedy}")
    return found


def field(text: str) -> pa.Field:
    """One field of a struct: a name and a type."""
    name, _, type_ = text.strip().partition(" ")
    if not type_:
        raise FunctionServerError(f"struct field {text.strip()!r} is not a name and a type")
    return pa.field(name.strip('"'), arrow_type(type_))


def split(text: str) -> list[str]:
    """Split the fields of a struct at commas that are in no inner struct."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def same(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether two types hold the same values; names of fields say nothing, as RisingWave sends none."""
    if pa.types.is_list(one) and pa.types.is_list(other):
        return same(one.value_type, other.value_type)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return one.num_fields == other.num_fields and all(
            same(mine.type, theirs.type) for mine, theirs in zip(one, other, strict=True)
        )
    return bool(one.equals(other))
