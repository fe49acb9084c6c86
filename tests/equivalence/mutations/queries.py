"""Faults: how joins and subqueries are taken apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from sqlglot import exp

from millstream.compiler.algebra import conditions, depend, pull, same
from millstream.compiler.algebra.expression import column, equalities
from millstream.compiler.algebra.lineage import replace_node
from millstream.compiler.algebra.operators import Join, Window
from millstream.compiler.binder import connect as connection
from millstream.compiler.binder import joins as joining
from millstream.compiler.binder import lateral, membership, subqueries, table_functions, windows
from millstream.compiler.postgres import join as joining_text
from millstream.compiler.postgres import render as rendering
from tests.equivalence.mutations.fault import Fault, Original, all_of, answering, edited, wrapped


def below_full(original: Original) -> Original:
    """Take conditions below a full join as below a left one."""

    def changed(plan: Any, *a: Any) -> Any:
        made = original(replace(plan, kind="left"), *a)
        join = made if isinstance(made, Join) else made.input
        return made if plan.kind != "full" else replace_node(made, join, replace(join, kind="full"))

    return changed


def undivided(original: Original) -> Original:
    """Let windows rank the rows of all outer values together."""

    def changed(plan: Any, *a: Any) -> Any:
        made = original(plan, *a)
        return replace(made, partition=plan.partition) if isinstance(made, Window) else made

    return changed


def only_with_rows(original: Original) -> Original:
    """Join totals to the outer values that have rows."""

    def changed(*a: Any) -> Any:
        made, keys = original(*a)
        return replace(made, input=replace(made.input, kind="inner")), keys

    return changed


def of_all_values(original: Original) -> Original:
    """Let the first of an aggregation's arguments be that of any outer value: the domain keeps no keys apart."""

    def changed(plan: Any, domain: Any) -> Any:
        if domain.plan is None or len(domain.keys) < 2:
            return original(plan, domain)
        return original(plan, replace(domain, keys=frozenset(sorted(domain.keys)[1:])))

    return changed


def out_of_step(original: Original) -> Original:
    """Unfold functions one after the other."""

    def changed(rows: Any, calls: Any, elements: Any, *a: Any, **o: Any) -> Any:
        for call, made in list(zip(calls, elements, strict=True))[:-1]:
            rows = original(rows, (call,), (made,), None)
        return original(rows, calls[-1:], elements[-1:], *a, **o)

    return changed


def without_default(node: Any) -> Any:
    """array_agg without its COALESCE."""
    coalesce = node.find(exp.Coalesce)
    coalesce.replace(coalesce.this)
    return node


FAULTS = (
    Fault(
        "NULLs that a join holds equal never meet",
        wrapped(joining_text, "ways", lambda original: lambda terms: original(terms)[:1]),
        ("join", "exists", "comma_join"),
    ),
    Fault(
        "what the branches of an OR have in common is all that they say",
        wrapped(
            conditions,
            "factored",
            lambda original: (
                lambda parts: original(parts)[:1] if len(original(parts)) > 1 else original(parts)
            ),
        ),
        ("comma_join",),
    ),
    Fault(
        "an equality in every branch of an OR is not seen",
        wrapped(conditions, "factored", lambda _: lambda parts: [conditions.whole(parts)]),
        ("comma_join",),
    ),
    Fault(
        "NULLs that are to be equal connect nothing",
        all_of(*(wrapped(module, "links", lambda _: equalities) for module in (connection, joining))),
        ("join", "comma_join"),
    ),
    Fault(
        "a condition on one side of a full join keeps the rows of the other",
        wrapped(connection, "connect_outer", below_full),
        ("outer_join",),
    ),
    Fault("NULL does not end NOT IN", answering(membership, "may_be_null", False), ("not_in", "membership")),
    Fault("a count of nothing is NULL", lambda: patch.object(depend, "ZERO", ()), ("scalar",)),
    Fault(
        "what links a lateral subquery does not divide it",
        wrapped(depend, "depend_unary", undivided),
        ("lateral",),
    ),
    Fault(
        "an outer value that is NULL is no value",
        wrapped(same, "same", lambda _: lambda a, b: exp.EQ(this=column(a), expression=column(b))),
        ("outer_value", "outer_rows"),
    ),
    Fault(
        "an outer row without rows in the subquery has no total",
        wrapped(depend, "depend_total", only_with_rows),
        ("outer_value",),
    ),
    Fault(
        "what a left join computes of both rows is there without the right one",
        wrapped(lateral, "for_left_join", lambda _: lambda sub, outputs, _context: (sub.plan, outputs)),
        ("outer_rows",),
    ),
    Fault(
        "an outer aggregate is one for all values", wrapped(pull, "totals", of_all_values), ("outer_value",)
    ),
    Fault(
        "functions of a SELECT list do not go in step",
        wrapped(table_functions, "Unnest", out_of_step),
        ("in_step",),
    ),
    Fault(
        "a list without elements loses its row",
        edited(rendering, "render_lateral", r"(?s)LEFT JOIN LATERAL (.*) ON true$", r"CROSS JOIN LATERAL \1"),
        ("function", "of_row"),
    ),
    Fault(
        "a list of no rows is NULL",
        wrapped(subqueries.arrays, "gathered", lambda original: lambda node: without_default(original(node))),
        ("gathered",),
    ),
    Fault(
        "elements come in another order",
        wrapped(subqueries.arrays, "by_element", lambda _: lambda query: query),
        ("of_row",),
    ),
    Fault(
        "a document that is no list fails for all",
        wrapped(rendering, "guarded_elements", lambda _: lambda call: call),
        ("function",),
    ),
    Fault(
        "the last known value is the first",
        wrapped(
            windows,
            "known_value",
            lambda original: (
                lambda call: exp.Anonymous(
                    this="millstream.first_known", expressions=original(call).expressions
                )
            ),
        ),
        ("ignore_nulls",),
    ),
)
