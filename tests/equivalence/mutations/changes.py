"""Faults: how what changed in a relation changes a view."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from millstream.compiler.algebra import first
from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import scans
from millstream.compiler.incremental import choose, cut
from millstream.compiler.incremental import differentiate as differentiation
from millstream.compiler.postgres import accumulate as accumulation
from millstream.compiler.postgres import in_place, linear, recompute
from millstream.compiler.postgres import render as rendering
from millstream.compiler.postgres import statements as writing
from millstream.compiler.postgres.invertible import Invertible
from millstream.compiler.postgres.names import table
from millstream.compiler.postgres.on_act import OnAct
from millstream.compiler.postgres.on_act_in_turns import OnActInTurns
from millstream.compiler.postgres.recompute import Recompute
from millstream.compiler.postgres.statements import NodeSql
from tests.equivalence import values
from tests.equivalence.mutations.fault import (
    Fault,
    Original,
    Patch,
    all_of,
    answering,
    edited,
    having_property,
    of_equals,
    wrapped,
)


def only_months() -> AbstractContextManager[object]:
    """Let intervals be a month or 30 days."""
    return patch.dict(values._DOMAINS, {"interval": (values.Span("1 month"), values.Span("30 days"))})


def moments(moment: str) -> Patch:
    """Run every term of a change at the same moment."""

    def wrap(original: Original) -> Original:
        return lambda *a: [replace(term, moment=moment) for term in original(*a)]

    return wrapped(writing, "differentiate", wrap)


def in_one_order(original: Original) -> Original:
    """Take all occurrences of a relation in a plan for occurrences in one join."""

    def changed(plan: Any, instance: int) -> str:
        mine = next(scan for scan in scans(plan) if scan.instance == instance)
        first = next(scan for scan in scans(plan) if scan.relation == mine.relation)
        return str(original(plan, instance)) if first is mine else "after"

    return changed


def outer_terms(kept: slice) -> Patch:
    """Of the two terms of a changed right side (old results out, new ones in), keep one."""

    def wrap(original: Original) -> Original:
        def changed(plan: Any, *a: Any) -> Any:
            terms = original(plan, *a)
            return terms[kept] if plan.kind != "inner" and len(terms) == 2 else terms

        return changed

    return wrapped(differentiation, "differentiate_join", wrap)


def accumulators(pattern: str, by: str) -> Patch:
    """Edit how accumulators change."""

    def wrap(original: Original) -> Original:
        return lambda column, type_, change: original(column, type_, re.sub(pattern, by, change))

    return wrapped(accumulation, "Accumulator", wrap)


def acting_always() -> AbstractContextManager[object]:
    """Look every driver row up again whenever one of them changed."""

    def wrap(original: Original) -> Original:
        def changed(self: OnAct, *a: Any) -> Any:
            made = original(self, *a)
            (driver, *_) = self.node.leaves
            delta = f"{writing.changes(driver.relation.name)} AS t"
            everything = f"(SELECT t.*, 1 AS {WEIGHT} FROM {table(driver.relation.name)} AS t) AS t"
            return replace(made, derive=made.derive.replace(delta, everything))

        return changed

    return patch.object(OnAct, "statements", wrap(OnAct.statements))


def nearest_for_good(original: Original) -> Original:
    """Let changes on the right of an ASOF join add and take their own rows, whatever was nearest."""
    return lambda plan, *a: original(replace(plan, nearest=()) if plan.nearest else plan, *a)


FAULTS = (
    Fault("both occurrences of a self-join meet the old rows", moments("before"), ("self_join",)),
    Fault("both occurrences of a self-join meet the new rows", moments("after"), ("self_join",)),
    Fault(
        "an occurrence meets the new rows of one that stands in another branch",
        wrapped(writing, "moment", in_one_order),
        ("repeated",),
    ),
    Fault("a changed right side leaves the old results", outer_terms(slice(1, 2)), ("left_join", "exists")),
    Fault("a changed right side brings no new results", outer_terms(slice(0, 1)), ("left_join", "exists")),
    Fault(
        "rows never expire",
        wrapped(differentiation, "differentiate_time", lambda original: lambda *a: original(*a)[:-1]),
        ("temporal",),
    ),
    Fault(
        "two temporal filters retract one row twice",
        wrapped(differentiation, "at_clock", lambda original: lambda plan, _: original(plan, "then")),
        ("temporal",),
    ),
    Fault("time alone changes nothing", having_property("timed", lambda *_: False), ("temporal",)),
    Fault(
        "rows that expire while they change are counted by this tick's clock",
        wrapped(NodeSql, "placed", lambda _: lambda _self, plan, *_: plan),
        ("temporal",),
    ),
    Fault(
        "one leaf's changes are forgotten",
        wrapped(NodeSql, "terms", lambda original: lambda *a: original(*a)[:-1]),
        ("join",),
    ),
    Fault(
        "a recomputed key that is NULL is forgotten",
        wrapped(
            recompute,
            "restrict_nullable",
            lambda _: lambda plan, keys, _hash: recompute.restrict(plan, keys),
        ),
        ("distinct", "array_agg"),
    ),
    Fault(
        "an empty group stays",
        edited(Invertible, "derive", r'("n\$") > 0', r"\1 >= 0"),
        ("aggregate",),
    ),
    Fault("count counts NULL", accumulators(" IS NOT NULL", " IS NOT NULL OR true"), ("aggregate",)),
    Fault("a retraction adds to a sum", accumulators(r"w\$ \* ", ""), ("aggregate", "global_aggregate")),
    Fault(
        "NaN stays in a sum",
        accumulators("= 'NaN'", f"= 'NaN' AND {WEIGHT} > 0"),
        ("aggregate",),
        finite=False,
        types=("double precision", "integer"),
    ),
    Fault(
        "a recomputed key keeps its row when nothing is left of it",
        edited(Recompute, "derive_row", r"CASE WHEN NOT \(m\._new IS NOT NULL\) THEN m\.at\$ END", "NULL"),
        ("array_agg", "top_n"),
    ),
    Fault(
        "a recomputed row is written beside the old one",
        edited(Recompute, "derive_row", r"s\.at\$,(\s+)1\b", r"NULL,\g<1>1"),
        ("array_agg", "top_n"),
    ),
    Fault(
        "a top-N stops a row too early",
        wrapped(first, "First", lambda original: lambda rows, order, count: original(rows, order, count - 1)),
        ("top_n",),
    ),
    Fault(
        "a branch of a union stops a row too early",
        wrapped(first, "stopping", lambda original: lambda window, count: original(window, count - 1)),
        ("union_top_n",),
    ),
    Fault(
        "HAVING hides nothing",
        having_property("relation", lambda _, relation: replace(relation, guard=None)),
        ("aggregate",),
    ),
    Fault(
        "equal rows are one row", edited(recompute, "surplus", "EXCEPT ALL", "EXCEPT"), ("unnest", "window")
    ),
    Fault(
        "equal rows go one at a time",
        edited(recompute, "surplus", re.escape("count(*)::integer"), "1"),
        ("unnest", "window"),
    ),
    Fault(
        "a deletion takes one of several", edited(NodeSql, "apply", r"LIMIT -d\.w\$", "LIMIT 1"), ("select",)
    ),
    of_equals(
        "a value that is equal to the one before is no change",
        all_of(
            *(
                wrapped(
                    rule, "image", lambda original: lambda columns, *a: original(columns, *a)[: len(columns)]
                )
                for rule in (linear, recompute)
            )
        ),
        "equal_rows",
    ),
    of_equals(
        "a removal takes any equal row", wrapped(writing, "same", lambda _: lambda *_a: "true"), "equal_rows"
    ),
    of_equals(
        "of a key's rows an equal one will do",
        wrapped(
            recompute,
            "surplus",
            lambda original: lambda *a: original(*a[:2], [(name, "integer") for name, _ in a[2]]),
        ),
        "equal_lists",
    ),
    of_equals("a group keeps its first key", answering(in_place, "is_strict", True), "equal_groups"),
    of_equals("a merged group knows one key only", answering(accumulation, "loose", []), "equal_groups"),
    of_equals(
        "a computed group shows any of its keys", answering(rendering, "is_strict", True), "equal_groups"
    ),
    of_equals(
        "a month less 30 days is nothing",
        all_of(
            edited(
                Invertible,
                "derive",
                r'(s\."months\d+\$") <> 0 OR (s\."days\d+\$") <> 0',
                r"30 * \1 + \2 <> 0",
            ),
            only_months,
        ),
        "equal_sums",
        types=("interval",),
    ),
    of_equals(
        "a sum keeps the decimals of a value that is gone",
        accumulators(r"w\$ \* (millstream\.decimals)", r"abs(w$) * \1"),
        "equal_sums",
        types=("numeric",),
    ),
    Fault(
        "a stored view of one row counts as one of many",
        having_property("relation", lambda _, relation: replace(relation, single=False)),
        ("stored_row",),
        views=2,
    ),
    Fault(
        "any right side counts as flat",
        answering(cut, "is_flat", True),
        ("left_join", "exists", "temporal"),
        depth=1,
    ),
    Fault(
        "no occurrence of a relation counts as crowded",
        answering(cut, "is_crowded", False),
        ("repeated",),
    ),
    Fault(
        "different keys are recomputed as one",
        answering(cut, "same_keys", True),
        ("top_n", "array_agg"),
        depth=2,
    ),
    Fault(
        "a bound that moves passes no row",
        wrapped(differentiation, "differentiate_bound", lambda original: lambda *a: original(*a)[1:]),
        ("bound",),
    ),
    Fault(
        "a bound that appears passes no row",
        wrapped(differentiation, "differentiate_bound", lambda original: lambda *a: original(*a)[:1]),
        ("bound",),
    ),
    Fault(
        "a full join forgets the rows of one side that meet none",
        wrapped(
            cut,
            "expand_full",
            lambda original: lambda *a: replace(original(*a), inputs=original(*a).inputs[:1]),
        ),
        ("outer_join",),
    ),
    Fault(
        "a nearest row is looked up once and for all",
        wrapped(differentiation, "differentiate_join", nearest_for_good),
        ("asof",),
    ),
    Fault(
        "a process-time join reads this tick's right side",
        all_of(
            wrapped(recompute, "as_of", lambda _: lambda plan, *_: plan),
            having_property("looked_up", lambda *_: ()),
        ),
        ("act",),
    ),
    Fault(
        "the previous image is the present one",
        wrapped(rendering, "previous", lambda _: lambda scan: table(scan.relation.name)),
        ("act",),
    ),
    Fault("a process-time join acts for every driver row", acting_always, ("act",)),
    Fault(
        "a process-time join looks the equal rows of a bag up again",
        lambda: patch.object(choose, "HASH", "(none)"),
        ("bag act",),
    ),
    Fault(
        "of equal rows the newest result goes first",
        edited(OnActInTurns, "derive", r"(ORDER BY t\.\S+)", r"\1 DESC"),
        ("bag act",),
    ),
)
