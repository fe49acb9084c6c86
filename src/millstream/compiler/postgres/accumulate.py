"""Aggregates as accumulators: what is stored for count, sum and avg so that changes can be added and taken away.

A sum is kept in numeric, which adds and subtracts exactly; NaN and the infinities of floating-point input are counted
apart, because they could never be taken out of a sum again. A sum of numeric values has as many decimals as the value with
the most of them, so how many values have how many decimals is kept too. Months, days and microseconds of intervals are
summed apart: a month less 30 days is not nothing.

A group is one by SQL's equality, and its key shown must be that of a row which is there. So where equal keys may differ,
how many rows have which key is kept, and the least of them is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.expression import OWN, WEIGHT, plain
from millstream.compiler.algebra.operators import Aggregate
from millstream.compiler.postgres.identity import loose
from millstream.compiler.postgres.names import quote
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.scalar import scalar

ROWS = f"n{OWN}"
IMAGES = f"images{OWN}"  # how many rows of a group have which key, where equal keys may differ
FLOATS = ("real", "double precision")


@dataclass(frozen=True)
class Accumulator:
    """One stored accumulator, of type bigint or numeric, and the change of it that weighted rows make; 0 is none."""

    column: str
    type: str
    change: str


@dataclass(frozen=True)
class Accumulation:
    """The accumulators of a node and, for each aggregate, its value computed from them.

    `arguments` are the computed arguments, each a column that several accumulators read: it is evaluated once a row.
    """

    arguments: tuple[tuple[str, str], ...]  # (column, SQL over the aggregate's input)
    accumulators: tuple[Accumulator, ...]
    values: tuple[tuple[str, str, str], ...]  # (attribute, SQL over the accumulator columns, type)
    loose: tuple[tuple[str, str], ...] = ()  # (key, type) of each key whose equal values may differ


AccumulatorFor = Callable[
    [str, str, str], str
]  # column, type and change of an accumulator → the column that has it


def accumulate(aggregate: Aggregate, argument_types: list[str], result_types: list[str]) -> Accumulation:
    """Translate every aggregate, given the types of arguments and results."""
    calls = [parts_of(expression) for _, expression in aggregate.items]
    arguments = [argument_of(expression) for _, expression in aggregate.items]
    columns: dict[str, str] = {}  # SQL of a computed argument → the column that has it
    for (_, argument, _), text in zip(calls, arguments, strict=True):
        if argument is not None and plain(argument) is None:
            columns.setdefault(text, f"a{len(columns) + 1}{OWN}")
    stored: dict[tuple[str, str], Accumulator] = {}

    def accumulator_for(column: str, type_: str, change: str) -> str:
        """The accumulator that changes so: one for all aggregates that need it."""
        return stored.setdefault((type_, change), Accumulator(column, type_, change)).column

    accumulator_for(ROWS, "bigint", f"coalesce(sum({WEIGHT}), 0)::bigint")
    values: list[tuple[str, str, str]] = []
    for number, ((attribute, _), (call, _, condition)) in enumerate(
        zip(aggregate.items, calls, strict=True), 1
    ):
        value = accumulate_one(
            number,
            call,
            columns.get(arguments[number - 1], arguments[number - 1]),
            condition,
            argument_types[number - 1],
            result_types[number - 1],
            accumulator_for,
        )
        values.append((attribute.name, value, result_types[number - 1]))
    named = tuple((name, text) for text, name in columns.items())
    keys = loose([(key.name, key.type or "") for key in aggregate.keys])
    return Accumulation(named, tuple(stored.values()), tuple(values), tuple(keys))


def types(aggregate: Aggregate, describe: Describe) -> tuple[list[str], list[str]]:
    """The types of the arguments and of the results of the aggregates."""
    if not aggregate.items:
        return [], []
    inside = f"FROM ({render(aggregate.input)}) AS s"
    arguments = [argument_of(expression) for _, expression in aggregate.items]
    results = [scalar(expression) for _, expression in aggregate.items]
    return describe(f"SELECT {', '.join(arguments)} {inside}"), describe(
        f"SELECT {', '.join(results)} {inside}"
    )


def argument_of(expression: exp.Expr) -> str:
    """What an aggregate aggregates, as SQL; 1 for count(*)."""
    _, argument, _ = parts_of(expression)
    return scalar(argument) if argument is not None else "1"


def parts_of(expression: exp.Expr) -> tuple[type[exp.Expr], exp.Expr | None, str | None]:
    """Return (kind of aggregate, argument or None for count(*), condition of FILTER)."""
    condition = None
    if isinstance(expression, exp.Filter):
        condition = scalar(expression.expression.this)
        expression = expression.this
    argument = expression.this
    return type(expression), (None if isinstance(argument, exp.Star) else argument), condition


def accumulate_one(
    number: int,
    call: type[exp.Expr],
    argument: str,
    condition: str | None,
    type_: str,
    result: str,
    accumulator_for: AccumulatorFor,
) -> str:
    """The value of one aggregate, from accumulators that it has kept."""

    def weigh(what: str, *conditions: str) -> str:
        all_conditions = [f"({c})" for c in (*([condition] if condition else []), *conditions)]
        clause = f" FILTER (WHERE {' AND '.join(all_conditions)})" if all_conditions else ""
        return f"coalesce(sum({what}){clause}, 0)"

    def counted(column: str, *conditions: str) -> str:
        return quote(
            accumulator_for(f"{column}{number}{OWN}", "bigint", f"{weigh(WEIGHT, *conditions)}::bigint")
        )

    def summed(column: str, what: str, *conditions: str) -> str:
        return quote(
            accumulator_for(f"{column}{number}{OWN}", "numeric", weigh(f"{WEIGHT} * {what}", *conditions))
        )

    count = counted("c", *([] if argument == "1" else [f"({argument}) IS NOT NULL"]))
    if call is exp.Count:
        return count
    mean = f" / {count}" if call is exp.Avg else ""
    if type_ == "interval":
        return sum_of_intervals(argument, count, mean, counted, summed)
    if type_ not in (*FLOATS, "numeric"):
        total = summed("s", f"({argument})::numeric")
        return f"CASE WHEN {count} > 0 THEN ({total}{mean})::{result} END"
    exact = f"({argument})::double precision::numeric" if type_ == "real" else f"({argument})::numeric"
    finite = f"({argument}) NOT IN ('NaN', 'Infinity', '-Infinity')"
    total = summed("s", exact, finite)
    nan = counted("nan", f"({argument}) = 'NaN'")
    plus = counted("inf", f"({argument}) = 'Infinity'")
    minus = counted("ninf", f"({argument}) = '-Infinity'")
    if type_ == "numeric":
        decimals = summed("d", f"millstream.decimals_unit(scale({argument}))", finite)
        total = f"round({total}, millstream.most_decimals({decimals}))"
    elif mean:
        total += "::double precision"
    return (
        f"CASE WHEN {count} = 0 THEN NULL"
        f" WHEN {nan} > 0 OR ({plus} > 0 AND {minus} > 0) THEN 'NaN'::{result}"
        f" WHEN {plus} > 0 THEN 'Infinity'::{result} WHEN {minus} > 0 THEN '-Infinity'::{result}"
        f" ELSE ({total}{mean})::{result} END"
    )


def sum_of_intervals(
    argument: str, count: str, mean: str, counted: Callable[..., str], summed: Callable[..., str]
) -> str:
    """Sum or mean of intervals, whose parts add up exactly; of both infinities there is none."""
    plus = counted("inf", f"({argument}) = 'infinity'")
    minus = counted("ninf", f"({argument}) = '-infinity'")
    parts = [
        summed(part, f"millstream.{part}_of({argument})", f"isfinite({argument})")
        for part in ("months", "days", "microseconds")
    ]
    return (
        f"CASE WHEN {count} = 0 OR ({plus} > 0 AND {minus} > 0) THEN NULL"
        f" WHEN {plus} > 0 THEN interval 'infinity' WHEN {minus} > 0 THEN interval '-infinity'"
        f" ELSE millstream.interval_of({', '.join(parts)}){mean} END"
    )
