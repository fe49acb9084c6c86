"""Which calls are aggregates, by their names alone."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.syntax.calls import function_name

AGGREGATES = frozenset(  # of PostgreSQL and RisingWave, besides those that have nodes of their own
    [
        "any_value",
        "approx_percentile",
        "arg_max",
        "arg_min",
        "array_agg",
        "avg",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bool_and",
        "bool_or",
        "corr",
        "count",
        "covar_pop",
        "covar_samp",
        "every",
        "json_agg",
        "json_agg_strict",
        "json_object_agg",
        "json_object_agg_strict",
        "json_object_agg_unique",
        "json_object_agg_unique_strict",
        "jsonb_agg",
        "jsonb_agg_strict",
        "jsonb_object_agg",
        "jsonb_object_agg_strict",
        "jsonb_object_agg_unique",
        "jsonb_object_agg_unique_strict",
        "max",
        "median",
        "min",
        "mode",
        "percentile_cont",
        "percentile_disc",
        "range_agg",
        "range_intersect_agg",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "string_agg",
        "sum",
        "var_pop",
        "var_samp",
        "variance",
        "xmlagg",
    ]
)
NEEDS_OVER = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.PercentRank,
    exp.CumeDist,
    exp.Ntile,
    exp.Lag,
    exp.Lead,
    exp.NthValue,
)
AROUND = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node is an aggregate call (with its FILTER or WITHIN GROUP, if any), not a window function."""
    if node.arg_key == "this" and isinstance(node.parent, (exp.Window, *AROUND)):
        return False
    if isinstance(node, AROUND):
        return True
    named = function_name(node)
    if named is not None and named[1].lower() in AGGREGATES:
        return True
    return isinstance(node, (exp.AggFunc, *NEEDS_OVER))


def bare(node: exp.Expr) -> exp.Expr:
    """The call itself, without FILTER and WITHIN GROUP."""
    while isinstance(node, (exp.Filter, exp.WithinGroup)):
        node = node.this
    return node


def has_aggregates(expression: exp.Expr) -> bool:
    """Tell whether an expression contains an aggregate outside of window functions."""
    nodes = expression.walk(prune=lambda node: isinstance(node, exp.Query))
    return any(is_aggregate(node) for node in nodes if not isinstance(node, exp.Query))
