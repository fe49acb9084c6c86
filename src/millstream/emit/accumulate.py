"""Aggregates as accumulators: what is stored for count, sum and avg so that changes can be added and taken away.

A sum is kept in numeric, which adds and subtracts exactly; NaN and the infinities of floating-point input are counted
apart, because they could never be taken out of a sum again. Intervals add and subtract exactly as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from millstream.emit.names import quote
from millstream.emit.render import Describe, render, scalar
from millstream.plan.expression import WEIGHT, plain
from millstream.plan.nodes import Aggregate

ROWS = "_n"
PLACE = "_at"  # where the stored row of a changed key is, within a tick
UNBOUNDED = ("real", "double precision", "numeric")  # types with NaN and infinities
ZERO = {"bigint": "0", "numeric": "0", "interval": "interval '0'"}


@dataclass(frozen=True)
class Accumulator:
    """One stored accumulator: its column, type, and the change of it that weighted rows make."""

    column: str
    type: str
    change: str

    @property
    def zero(self) -> str:
        """The neutral element, as SQL."""
        return ZERO[self.type]


@dataclass(frozen=True)
class Accumulation:
    """The accumulators of a node and, for each aggregate, its value computed from them.

    `arguments` are the computed arguments, each a column that several accumulators read: it is evaluated once a row.
    """

    arguments: tuple[tuple[str, str], ...]  # (column, SQL over the aggregate's input)
    accumulators: tuple[Accumulator, ...]
    values: tuple[tuple[str, str], ...]  # (attribute, SQL over the accumulator columns)


def accumulate(aggregate: Aggregate, describe: Describe) -> Accumulation:
    """Translate every aggregate; `describe` tells the types of arguments and results."""
    calls = [split(expression) for _, expression in aggregate.items]
    inside = f"FROM ({render(aggregate.input)}) AS s"
    arguments = [scalar(argument) if argument is not None else "1" for _, argument, _ in calls]
    argument_types = describe(f"SELECT {', '.join(arguments)} {inside}") if calls else []
    results = [scalar(expression) for _, expression in aggregate.items]
    result_types = describe(f"SELECT {', '.join(results)} {inside}") if calls else []
    columns: dict[str, str] = {}  # SQL of a computed argument → the column that has it
    for (_, argument, _), text in zip(calls, arguments, strict=True):
        if argument is not None and plain(argument) is None:
            columns.setdefault(text, f"_a{len(columns) + 1}")
    stored: dict[tuple[str, str], Accumulator] = {}

    def keep(column: str, type_: str, change: str) -> str:
        """The accumulator that changes so: one for all aggregates that need it."""
        return stored.setdefault((type_, change), Accumulator(column, type_, change)).column

    keep(ROWS, "bigint", f"coalesce(sum({WEIGHT}), 0)::bigint")
    values: list[tuple[str, str]] = []
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
            keep,
        )
        values.append((attribute.name, value))
    named = tuple((name, text) for text, name in columns.items())
    return Accumulation(named, tuple(stored.values()), tuple(values))


def split(expression: exp.Expr) -> tuple[type[exp.Expr], exp.Expr | None, str | None]:
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
    keep: Callable[[str, str, str], str],
) -> str:
    """The value of one aggregate, from accumulators that it has kept."""
    where = [condition] if condition else []
    kind = "interval" if type_ == "interval" else "numeric"
    zero = "0"

    def weigh(what: str, *conditions: str) -> str:
        all_conditions = [f"({c})" for c in (*where, *conditions)]
        clause = f" FILTER (WHERE {' AND '.join(all_conditions)})" if all_conditions else ""
        return f"coalesce(sum({what}){clause}, {zero})"

    def counted(column: str, *conditions: str) -> str:
        return quote(keep(column, "bigint", f"{weigh(WEIGHT, *conditions)}::bigint"))

    count = counted(f"_c{number}", *([] if argument == "1" else [f"({argument}) IS NOT NULL"]))
    if call is exp.Count:
        return count
    if type_ not in UNBOUNDED:
        zero = ZERO[kind]
        total = quote(keep(f"_s{number}", kind, weigh(f"{WEIGHT} * ({argument})::{kind}")))
        value = total if call is exp.Sum else f"{total} / {count}"
        return f"CASE WHEN {count} > 0 THEN ({value})::{result} END"
    exact = f"({argument})::double precision::numeric" if type_ == "real" else f"({argument})::numeric"
    finite = f"({argument}) NOT IN ('NaN', 'Infinity', '-Infinity')"
    total = quote(keep(f"_s{number}", "numeric", weigh(f"{WEIGHT} * {exact}", finite)))
    nan = counted(f"_nan{number}", f"({argument}) = 'NaN'")
    plus = counted(f"_inf{number}", f"({argument}) = 'Infinity'")
    minus = counted(f"_ninf{number}", f"({argument}) = '-Infinity'")
    value = total if call is exp.Sum else f"{total} / {count}"
    return (
        f"CASE WHEN {count} = 0 THEN NULL"
        f" WHEN {nan} > 0 OR ({plus} > 0 AND {minus} > 0) THEN 'NaN'::{result}"
        f" WHEN {plus} > 0 THEN 'Infinity'::{result} WHEN {minus} > 0 THEN '-Infinity'::{result}"
        f" ELSE ({value})::{result} END"
    )
