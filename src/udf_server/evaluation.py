"""Evaluate a chunk of rows, each row on its own.

RisingWave makes every row of a chunk NULL, for good, when the call fails. So whatever one row does wrong - the function
raises, or returns what its type cannot hold - is that row's NULL and one error counted.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from arrow_udf import _to_arrow_array

from udf_server.declarations import Function
from udf_server.python_values import python_values

log = logging.getLogger("udf_server")

Row = Sequence[Any]

SECONDS_BETWEEN_LINES = 10


@dataclass
class Evaluator:
    """Evaluates chunks of one function: `batch` rows at a time, in the threads of `pool`."""

    function: Function
    pool: Executor
    batch: int
    count_error: Callable[[], None]
    told_at: float = field(default=-math.inf, init=False)

    def evaluate(self, columns: Sequence[pa.Array], rows: int) -> pa.Array:
        """The function's results for a chunk, in the order of its rows; `columns` are its arguments."""
        arguments = self.rows_of(columns, rows)
        slices = [arguments[start : start + self.batch] for start in range(0, rows, self.batch)]
        if len(slices) > 1:
            results = [value for part in self.pool.map(self.call_all, slices) for value in part]
        else:
            results = self.call_all(arguments)
        return self.column_of(results)

    def rows_of(self, columns: Sequence[pa.Array], rows: int) -> list[Row | None]:
        """Arrow columns as rows of Python values; None for a row that cannot be read."""
        if not columns:
            return [()] * rows
        try:
            return list(zip(*map(python_values, columns), strict=True))
        except Exception:  # noqa: BLE001 - one value, of one row: the others are read one by one
            return [
                self.attempt(lambda i=i: tuple(column[i].as_py() for column in columns)) for i in range(rows)
            ]

    def call_all(self, rows: Sequence[Row | None]) -> list[Any]:
        """The results of some rows."""
        return [None if row is None else self.attempt(self.call, row) for row in rows]

    def call(self, row: Row) -> Any:
        """The result of one row. Raises KeyError for a field that was not declared."""
        result = self.function.call(*row)
        check_fields(result, self.function.result)
        return result

    def column_of(self, results: list[Any]) -> pa.Array:
        """Python values as an Arrow column; NULL for a value that is not of the declared type."""
        try:
            return array_of(results, self.function.result)
        except Exception:  # noqa: BLE001 - one value, of one row: the others are converted one by one
            parts = [self.attempt(array_of, [result], self.function.result) for result in results]
            null = pa.nulls(1, self.function.result)
            return pa.concat_arrays([null if part is None else part for part in parts])

    def attempt(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What `work` returns; None, and an error counted, where it raises."""
        try:
            return work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever a row does wrong concerns this row alone
            self.count_error()
            self.tell(error)
            return None

    def tell(self, error: Exception) -> None:
        """Log an error, but one line in so many seconds: the metrics have every one."""
        now = time.monotonic()
        if now - self.told_at < SECONDS_BETWEEN_LINES:
            return
        self.told_at = now
        log.warning(
            "%s failed for a row, which is NULL now: %s: %s (further rows of the next %d s are counted only)",
            self.function.name, type(error).__name__, error, SECONDS_BETWEEN_LINES,
        )  # fmt: skip


def array_of(values: list[Any], type_: pa.DataType) -> pa.Array:
    """Values as an Arrow array; the SDK knows how jsonb and numeric are written."""
    if has_extension(type_):
        return _to_arrow_array(values, type_)
    return pa.array(values, type=type_)


def has_extension(type_: pa.DataType) -> bool:
    """Whether a type is or holds one that is sent as text."""
    inner = [type_.field(i).type for i in range(type_.num_fields)]
    return isinstance(type_, pa.ExtensionType) or any(has_extension(part) for part in inner)


def check_fields(value: Any, type_: pa.DataType) -> None:
    """Raise KeyError where a struct has a field that was not declared, TypeError where it is no dict, as the embedded engine does."""
    if pa.types.is_list(type_):
        if has_struct(type_):
            for item in value or ():
                check_fields(item, type_.value_type)
    elif pa.types.is_struct(type_) and value is not None:
        if not isinstance(value, dict):
            raise TypeError(f"a struct is a dict of its fields, and not {type(value).__name__}")
        declared = {type_.field(i).name for i in range(type_.num_fields)}
        unknown = value.keys() - declared
        if unknown:
            raise KeyError(f"undeclared fields {', '.join(sorted(unknown))}")


def has_struct(type_: pa.DataType) -> bool:
    """Whether a list's innermost values are structs."""
    while pa.types.is_list(type_):
        type_ = type_.value_type
    return bool(pa.types.is_struct(type_))
