"""Arrow columns as Python values, whole arrays at a time: `to_pylist` makes an object of Arrow's for each value within a list."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa


def python_values(column: pa.Array) -> list[Any]:
    """What `column.to_pylist()` gives, several times as fast for lists of structs, texts and numbers."""
    type_ = column.type
    if pa.types.is_list(type_):
        inner = python_values(column.values)
        ends = column.offsets.to_numpy().tolist()
        found = [inner[start:end] for start, end in pairwise(ends)]
        return with_nulls(column, found)
    if pa.types.is_struct(type_):
        names = [type_.field(place).name for place in range(type_.num_fields)]
        fields = [python_values(column.field(place)) for place in range(type_.num_fields)]
        rows = zip(*fields, strict=True) if fields else [()] * len(column)
        return with_nulls(column, [dict(zip(names, row, strict=True)) for row in rows])
    if pa.types.is_string(type_):
        return column.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    if pa.types.is_float64(type_) and not column.null_count:
        return column.to_numpy().tolist()  # type: ignore[no-any-return]
    return column.to_pylist()  # type: ignore[no-any-return]


def with_nulls(column: pa.Array, values: list[Any]) -> list[Any]:
    """Values with None where the column has none."""
    if not column.null_count:
        return values
    return [
        value if valid else None for value, valid in zip(values, column.is_valid().to_pylist(), strict=True)
    ]
