"""Refuse aggregates and window functions that no streaming job of RisingWave computes."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.binder.ordered import skips_nulls
from millstream.compiler.dialect import write
from millstream.diagnostics import refuse
from millstream.errors import Refused

RANKS = (exp.RowNumber, exp.Rank)  # a filter on them makes a top-N, which may span everything
WINDOWS = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
)
AGGREGATES = {
    "approx_percentile",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "grouping",
    "jsonb_agg",
    "jsonb_object_agg",
    "last_value",
    "max",
    "min",
    "mode",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
}


def of_window(window: exp.Window, tree: exp.Expr, path: str | None) -> Iterator[Refused]:
    """What an OVER clause may say."""
    call: exp.Expr = window.this
    if isinstance(call, exp.Filter):
        yield refuse("MS065", window, "with FILTER", path)
        call = call.this
    if skips_nulls(call):
        call = call.this
    name = name_of(call)
    known = isinstance(call, WINDOWS) or name in AGGREGATES
    if not known:
        yield refuse("MS065", window, name, path)
    offset = call.args.get("offset")
    if isinstance(call, (exp.Lag, exp.Lead)) and (
        call.args.get("default") is not None or (offset is not None and offset.find(exp.Column))
    ):
        yield refuse("MS065", window, f"{name} with a default or a computed distance", path)
    frame = window.args.get("spec")
    if frame is not None and str(frame.args.get("kind")).upper() == "GROUPS":
        yield refuse("MS065", window, "with a GROUPS frame", path)
    if (
        frame is not None
        and frame.args.get("exclude")
        and frame.args["exclude"].name.upper() in {"TIES", "GROUP"}
    ):
        yield refuse("MS065", window, f"with EXCLUDE {frame.args['exclude'].name.upper()}", path)
    named = window.args.get("alias")
    if not window.args.get("partition_by") and named is None and not is_top_n(window, call, tree):
        yield refuse("MS060", window, name, path)


def is_top_n(window: exp.Window, call: exp.Expr, tree: exp.Expr) -> bool:
    """Tell whether something keeps only the first ranks of a window."""
    alias = window.parent.alias if isinstance(window.parent, exp.Alias) else ""
    if not isinstance(call, RANKS) or not alias:
        return False
    return any(
        isinstance(term.this, exp.Column) and term.this.name == alias
        for term in tree.find_all(exp.LT, exp.LTE, exp.EQ)
        if isinstance(term.expression, exp.Literal)
    )


def of_aggregate(call: exp.Expr, path: str | None) -> Iterator[Refused]:
    """Aggregates that no streaming job computes."""
    if isinstance(call, WINDOWS):
        return
    name = name_of(call)
    if name not in AGGREGATES:
        yield refuse("MS064", call if call.find(exp.Column) else call.parent, name, path)


def name_of(call: exp.Expr) -> str:
    """The name of a function as PostgreSQL writes it."""
    if isinstance(call, exp.ApproxDistinct):
        return "approx_count_distinct"
    return write(call).split("(")[0].lower()
