"""Refuse types that PostgreSQL has and RisingWave has not, and lengths and precisions, with what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.dialect import write
from millstream.diagnostics import refuse
from millstream.errors import Refused

SCALARS = frozenset(
    (
        exp.DType.BOOLEAN,
        exp.DType.SMALLINT,
        exp.DType.INT,
        exp.DType.BIGINT,
        exp.DType.DECIMAL,
        exp.DType.FLOAT,
        exp.DType.DOUBLE,
        exp.DType.VARCHAR,
        exp.DType.TEXT,
        exp.DType.BINARY,
        exp.DType.VARBINARY,
        exp.DType.DATE,
        exp.DType.TIME,
        exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPTZ,
        exp.DType.INTERVAL,
        exp.DType.JSONB,
    )
)
INSTEAD_OF_TYPES = {
    exp.DType.DECIMAL: "write numeric, and round(x, 2) where digits matter",
    exp.DType.VARCHAR: "write varchar, and left(x, 10) where the length matters",
    exp.DType.CHAR: "write varchar",
    exp.DType.BPCHAR: "write varchar",
    exp.DType.NAME: "write varchar",
    exp.DType.UUID: "write varchar",
    exp.DType.JSON: "write jsonb",
    exp.DType.TIMESTAMP: "write timestamp, and date_trunc('second', x) where digits matter",
    exp.DType.TIMESTAMPTZ: "write timestamptz, and date_trunc('second', x) where digits matter",
    exp.DType.TIME: "write time",
    exp.DType.TIMETZ: "write timestamptz",
    exp.DType.INTERVAL: "write interval",
    exp.DType.ARRAY: "write the type without a length: int[]",
}
TYPE_NAMES = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "float",
    "double",
    "varchar",
    "string",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "jsonb",
]
OTHER_TYPE = f"use one of {', '.join(TYPE_NAMES)}, or an array of one"


def of_type(type_: exp.DataType, path: str | None) -> Iterator[Refused]:
    """A type that RisingWave lacks, or a length or precision, which it does not keep."""
    kind = type_.this
    inner = type_.is_type(exp.DType.ARRAY, exp.DType.STRUCT, exp.DType.MAP, exp.DType.VECTOR)
    if inner and not type_.args.get("values"):
        return
    of_float = kind in (exp.DType.DOUBLE, exp.DType.FLOAT)
    if kind in SCALARS and (of_float or not type_.expressions):
        return
    hint = INSTEAD_OF_TYPES.get(kind, OTHER_TYPE) if isinstance(kind, exp.DType) else OTHER_TYPE
    yield refuse("MS075", type_.parent or type_, write(type_).lower(), path, instead=hint)
