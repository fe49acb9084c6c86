"""Seeded faults: each makes one change rule wrong in a way that a plausible slip would.

A fault is a context manager that patches the engine while it is open. The property tests must catch every one of them
within a bounded number of examples (test_mutations.py); one that survives shows a rule that nothing holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from sqlglot import exp
from sqlglot.parsers.risingwave import RisingWaveParser

from millstream.delta import differentiate as differentiation
from millstream.delta import segment as segmentation
from millstream.delta.node import Node
from millstream.dialect import Millstream, spelling
from millstream.dialect.reading import Reader
from millstream.dialect.writing import Writer
from millstream.emit import accumulate as accumulation
from millstream.emit import names as naming
from millstream.emit import once
from millstream.emit import render as rendering
from millstream.emit import statements as writing
from millstream.emit.catch_up import CatchUpSql
from millstream.emit.names import log, table
from millstream.emit.statements import NodeSql
from millstream.front import connect as connection
from millstream.front import identifiers, lateral, subqueries, table_functions, tables, where, windows
from millstream.front import joins as joining
from millstream.front.scope import Name, Scope
from millstream.plan import conditions, depend, first, pull, same
from millstream.plan.expression import WEIGHT, Names, column, equalities
from millstream.plan.lineage import replace_node
from millstream.plan.nodes import Join, Scan, Side, Window, inputs, scans, with_inputs
from millstream.runtime import session as sessions
from millstream.runtime.beside import Beside
from millstream.runtime.catch_up import CatchUp
from millstream.runtime.change_log import Log, Logs
from millstream.runtime.client_table import ClientTable
from millstream.runtime.source import Source
from tests.equivalence import values
from tests.equivalence.values import LOOSE, SCALAR_TYPES

Patch = Callable[[], AbstractContextManager[object]]
Original = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A seeded fault, and the constructs in whose histories it shows.

    `act` and `bag act` are histories of on-act views, `source` those of a source alone.

    `depth` is how deep their subqueries nest, `views` how many there are at most; `finite=False` asks for NaN and
    infinities, `types` for columns of these, `renamed` for names that are not the oracles' (naming.py). `tables` is how
    many tables there are. With `building` views are built beside what runs.
    """

    name: str
    patch: Patch
    kinds: tuple[str, ...]
    depth: int = 0
    finite: bool | None = None
    views: int = 1
    types: Sequence[str] = SCALAR_TYPES
    renamed: bool = False
    tables: int = 1
    building: bool = False


def of_equals(name: str, patch: Patch, kind: str, types: Sequence[str] = tuple(sorted(LOOSE))) -> Fault:
    """A fault that shows where equal values are not the same."""
    return Fault(name, patch, (kind,), finite=True, types=types)


def wrapped(owner: object, name: str, wrap: Callable[[Original], Original]) -> Patch:
    """Replace a function or method by what `wrap` makes of it."""
    return lambda: patch.object(owner, name, wrap(getattr(owner, name)))


def answering(owner: object, name: str, value: object) -> Patch:
    """Make a decision always come out the same."""
    return wrapped(owner, name, lambda _: lambda *_, **__: value)


def edited(owner: object, name: str, pattern: str, by: str) -> Patch:
    """Replace `pattern` in the SQL text that a function returns."""
    return wrapped(owner, name, lambda original: lambda *a, **o: re.sub(pattern, by, original(*a, **o)))


def having_property(name: str, value: Callable[[Node, Any], object]) -> Patch:
    """Replace a property of nodes by a function of the node and the true value."""
    true = getattr(Node, name)
    return lambda: patch.object(Node, name, property(lambda self: value(self, true.fget(self))))


def all_of(*patches: Patch) -> Patch:
    """Open several patches at once."""

    def opened() -> ExitStack:
        stack = ExitStack()
        for each in patches:
            stack.enter_context(each())
        return stack

    return opened


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


def first_log_alone(original: Original) -> Original:
    """Take the changes of one relation over, and leave those of the others."""

    def changed(self: Any) -> int:
        for each in self.logs[1:]:
            self.conn.execute(f"DELETE FROM {log(each.relation)}".encode())
        return int(original(self))

    return changed


def all_as_before(_: Original) -> Original:
    """Read the previous image of every relation outside."""

    def seen(self: Any, term: Any, *_: Any) -> Any:
        def image(plan: Any) -> Any:
            if not isinstance(plan, Scan):
                return with_inputs(plan, tuple(image(child) for child in inputs(plan)))
            old = plan.side is Side.STATE and plan.relation.name in self.outside
            return replace(plan, side=Side.PREVIOUS) if old else plan

        return replace(term, plan=image(term.plan))

    return seen


def without_the_rest(original: Original) -> Original:
    """Publish without taking over what was logged since the last step."""

    def changed(self: Any) -> None:
        with patch.object(type(self), "take_over", lambda *_: 0):
            original(self)

    return changed


def kept_at_the_top(original: Original) -> Original:
    """Keep no node up before the last one is filled."""

    def changed(self: Any, sql: Any) -> None:
        original(self, sql)
        if sql is not self.nodes[-1]:
            self.filled.pop()

    return changed


def few(counts: dict[str, int]) -> dict[str, int]:
    """What a tick has changed, but for relations of which it changed many rows."""
    return {name: count for name, count in counts.items() if count < 2}


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
        def changed(self: NodeSql, *a: Any) -> Any:
            made = original(self, *a)
            if not self.node.on_act:
                return made
            (driver, *_) = self.node.leaves
            delta = f"{writing.changes(driver.relation.name)} AS t"
            everything = f"(SELECT t.*, 1 AS {WEIGHT} FROM {table(driver.relation.name)} AS t) AS t"
            return replace(made, derive=made.derive.replace(delta, everything))

        return changed

    return patch.object(NodeSql, "statements", wrap(NodeSql.statements))


def below_full(original: Original) -> Original:
    """Take conditions below a full join as below a left one."""

    def changed(plan: Any, *a: Any) -> Any:
        made = original(replace(plan, kind="left"), *a)
        join = made if isinstance(made, Join) else made.input
        return made if plan.kind != "full" else replace_node(made, join, replace(join, kind="full"))

    return changed


def nearest_for_good(original: Original) -> Original:
    """Let changes on the right of an ASOF join add and take their own rows, whatever was nearest."""
    return lambda plan, *a: original(replace(plan, nearest=()) if plan.nearest else plan, *a)


def with_rule(
    conflict: str | None = None, fill: str | None = None, versions: tuple[str, ...] | slice | None = None
) -> Patch:
    """Let a plain INSERT follow another rule than the declared one; `fill` only where NULLs keep what is stored."""

    def wrap(original: Original) -> Original:
        def changed(self: ClientTable) -> Any:
            rule = conflict or (fill if self.table.conflict == "fill" else None) or self.table.conflict
            compared = self.table.versions
            if versions is not None:
                compared = compared[versions] if isinstance(versions, slice) else versions
            return original(replace(self, table=replace(self.table, conflict=rule, versions=compared)))

        return changed

    return wrapped(ClientTable, "settling", wrap)


def one_unnamed(original: Original) -> Original:
    """Let a subquery without an alias take the place of another one in its FROM."""

    def changed(self: Scope, name: Name, *a: Any) -> None:
        for other in [each for each in self.tables if not each.text and not name.text]:
            del self.tables[other]
        original(self, name, *a)

    return changed


def undivided(original: Original) -> Original:
    """Let windows rank the rows of all outer values together."""

    def changed(plan: Any, *a: Any) -> Any:
        made = original(plan, *a)
        return replace(made, partition=plan.partition) if isinstance(made, Window) else made

    return changed


def complete_lists(original: Original) -> Original:
    """Read a list of names for all columns or for none."""
    return lambda columns, labels, *a: original(columns, labels if len(labels) == len(columns) else (), *a)


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


def written(name: str, pattern: str, by: str) -> Patch:
    """Replace `pattern` in what is written of some nodes: by a class of its own, for sqlglot remembers what each class writes."""
    true = getattr(Writer, name)

    def opened() -> AbstractContextManager[object]:
        changed = {name: lambda *a, **o: re.sub(pattern, by, true(*a, **o))}
        return patch.object(Millstream, "generator_class", type("Faulty", (Millstream.Generator,), changed))

    return opened


def translated(*names: str) -> Patch:
    """Read calls of some functions, or of all, as what they mean in every dialect."""
    foreign = RisingWaveParser.FUNCTIONS
    read = {**Reader.FUNCTIONS, **{name: foreign[name] for name in names or foreign}}
    return lambda: patch.object(Reader, "FUNCTIONS", read)


def reading(name: str, how: Callable[[list[exp.Expr]], exp.Expr]) -> Patch:
    """Read calls of one function as something else."""
    return lambda: patch.object(Reader, "FUNCTIONS", {**Reader.FUNCTIONS, name: how})


def as_extract(arguments: list[exp.Expr]) -> exp.Expr:
    """The syntax that computes nearly what date_part does."""
    return exp.Extract(this=arguments[0], expression=arguments[1])


def untyped_lists(original: Original) -> Original:
    """Take an empty list for one whose elements have their casts."""

    def changed(node: exp.Expr) -> exp.Expr:
        empty = isinstance(node, exp.Cast) and isinstance(node.this, exp.Array) and not node.this.expressions
        return exp.Array() if empty else original(node)

    return changed


FAULTS = (
    Fault("a unit is the name of its column", translated("DATE_TRUNC"), ("calls",)),
    Fault("date_part is extract, of another type", reading("DATE_PART", as_extract), ("calls",)),
    Fault("a cast is left out", written("cast_sql", r"^CAST\((.*) AS [^()]*\)$", r"(\1)"), ("calls",)),
    Fault("an empty list has no type", wrapped(spelling, "element_by_element", untyped_lists), ("calls",)),
    Fault("calls are translated between dialects", translated(), ("calls",)),
    Fault("brackets are left out", written("paren_sql", r"^\((.*)\)$", r"\1"), ("calls",)),
    Fault("words between arguments are left out", written("worded_sql", " FOR .*", ")"), ("calls",)),
    Fault("RisingWave's functions keep their names", answering(spelling, "way_of", None), ("calls",)),
    Fault(
        "a moment of now() has one end",
        wrapped(where, "as_bounds", lambda original: lambda terms: [next(original([t])) for t in terms]),
        ("clock",),
    ),
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
            writing, "restrict_nullable", lambda _: lambda plan, keys, _hash: writing.restrict(plan, keys)
        ),
        ("distinct", "array_agg"),
    ),
    Fault(
        "an empty group stays",
        edited(NodeSql, "derive_aggregate", r'("n\$") > 0', r"\1 >= 0"),
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
        edited(NodeSql, "derive_row", r"CASE WHEN NOT \(m\._new IS NOT NULL\) THEN m\.at\$ END", "NULL"),
        ("array_agg", "top_n"),
    ),
    Fault(
        "a recomputed row is written beside the old one",
        edited(NodeSql, "derive_row", r"s\.at\$, 1 FROM", "NULL, 1 FROM"),
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
    Fault("equal rows are one row", edited(writing, "surplus", "EXCEPT ALL", "EXCEPT"), ("unnest", "window")),
    Fault(
        "equal rows go one at a time",
        edited(writing, "surplus", re.escape("count(*)::integer"), "1"),
        ("unnest", "window"),
    ),
    Fault(
        "a deletion takes one of several", edited(NodeSql, "apply", r"LIMIT -d\.w\$", "LIMIT 1"), ("select",)
    ),
    of_equals(
        "a value that is equal to the one before is no change",
        wrapped(writing, "image", lambda original: lambda columns, *a: original(columns, *a)[: len(columns)]),
        "equal_rows",
    ),
    of_equals(
        "a removal takes any equal row", wrapped(writing, "same", lambda _: lambda *_a: "true"), "equal_rows"
    ),
    of_equals(
        "of a key's rows an equal one will do",
        wrapped(
            writing,
            "surplus",
            lambda original: lambda *a: original(*a[:2], [(name, "integer") for name, _ in a[2]]),
        ),
        "equal_lists",
    ),
    of_equals("a group keeps its first key", answering(writing, "is_strict", True), "equal_groups"),
    of_equals("a merged group knows one key only", answering(accumulation, "loose", []), "equal_groups"),
    of_equals(
        "a computed group shows any of its keys", answering(rendering, "is_strict", True), "equal_groups"
    ),
    of_equals(
        "a month less 30 days is nothing",
        all_of(
            edited(
                NodeSql,
                "derive_aggregate",
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
        "NULLs that a join holds equal never meet",
        wrapped(rendering, "ways", lambda original: lambda terms: original(terms)[:1]),
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
        "a stored view of one row counts as one of many",
        having_property("relation", lambda _, relation: replace(relation, single=False)),
        ("stored_row",),
        views=2,
    ),
    Fault(
        "a condition on one side of a full join keeps the rows of the other",
        wrapped(connection, "beside", below_full),
        ("outer_join",),
    ),
    Fault(
        "any right side counts as flat",
        answering(segmentation, "is_flat", True),
        ("left_join", "exists", "temporal"),
        depth=1,
    ),
    Fault(
        "no occurrence of a relation counts as crowded",
        answering(segmentation, "is_crowded", False),
        ("repeated",),
    ),
    Fault(
        "different keys are recomputed as one",
        answering(segmentation, "same_keys", True),
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
    Fault("NULL does not end NOT IN", answering(subqueries, "may_be_null", False), ("not_in", "membership")),
    Fault("a count of nothing is NULL", lambda: patch.object(depend, "ZERO", ()), ("scalar",)),
    Fault(
        "a full join forgets the rows of one side that meet none",
        wrapped(
            segmentation,
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
        "what links a lateral subquery does not divide it",
        wrapped(depend, "over", undivided),
        ("lateral",),
    ),
    Fault(
        "an outer value that is NULL is no value",
        wrapped(same, "same", lambda _: lambda a, b: exp.EQ(this=column(a), expression=column(b))),
        ("outer_value", "outer_rows"),
    ),
    Fault(
        "a column is never NULL below the join that alone shows it",
        wrapped(pull, "as_now", lambda _: lambda items, _rows: list(items)),
        ("outer_rows",),
    ),
    Fault(
        "an outer row without rows in the subquery has no total",
        wrapped(depend, "depend_total", only_with_rows),
        ("outer_value",),
    ),
    Fault(
        "what a left join computes of both rows is there without the right one",
        wrapped(lateral, "beside", lambda _: lambda sub, outputs, _context: (sub.plan, outputs)),
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
        edited(rendering, "render_lateral", r"LEFT JOIN LATERAL (.*) ON true$", r"CROSS JOIN LATERAL \1"),
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
    Fault(
        "a process-time join reads this tick's right side",
        all_of(
            wrapped(writing, "as_of", lambda _: lambda plan, *_: plan),
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
        lambda: patch.object(segmentation, "HASH", "(none)"),
        ("bag act",),
    ),
    Fault(
        "of equal rows the newest result goes first",
        edited(once, "derive", r"(ORDER BY t\.\S+) LIMIT", r"\1 DESC LIMIT"),
        ("bag act",),
    ),
    Fault(
        "queued rows stay queued",
        edited(Source, "take_rows", r"DELETE (FROM.*) RETURNING \*", r"SELECT * \1"),
        ("source",),
    ),
    Fault("the last row of a key wins", with_rule(conflict="overwrite"), ("source",)),
    Fault("the first row of a key wins", with_rule(conflict="ignore"), ("source",)),
    Fault("NULL takes the place of a value", with_rule(fill="overwrite"), ("source",)),
    Fault("an older version wins", with_rule(versions=()), ("source",)),
    Fault("only the first version column counts", with_rule(versions=slice(1)), ("source",)),
    Fault(
        "an UPDATE does not tell what it removed",
        edited(
            ClientTable,
            "update",
            r"SELECT -1 AS w\$, \* FROM removed UNION ALL SELECT 1,",
            f"SELECT 1 AS {WEIGHT},",
        ),
        ("source",),
    ),
    Fault("TRUNCATE tells nothing", edited(ClientTable, "emptying", "INSERT INTO.*?;", ""), ("source",)),
    Fault(
        "INSERT … ON CONFLICT follows the table's rule",
        edited(
            ClientTable, "settling", r"IF \S+\('millstream.settles'\) = 'itself' THEN RETURN new; END IF;", ""
        ),
        ("source",),
    ),
    Fault(
        "a replaced row goes in a tick of its own",
        edited(
            ClientTable, "insertion", r"UPDATE .*? WHERE seq\$ = 0; IF FOUND .*? ELSE (.*) END IF;", r"\1"
        ),
        ("source",),
    ),
    Fault("a tick ends anywhere", edited(Source, "take", r"FILTER \(WHERE cut\$\)", ""), ("source",)),
    Fault(
        "equal rows of a bag go one at a time",
        edited(Source, "apply_bag", r"LIMIT -d\.w\$", "LIMIT 1"),
        ("source",),
    ),
    Fault(
        "a tick's changes stay",
        edited(sessions, "finish_function", "DELETE FROM [^;]+;", "PERFORM 1;"),
        ("select",),
    ),
    Fault(
        "a column's schema says nothing",
        wrapped(Name, "means", lambda _: lambda self, column: bool(self.text) and self.text == column.table),
        ("join", "exists", "lateral"),
        renamed=True,
        tables=2,
    ),
    Fault(
        "letters stay as they are written",
        wrapped(identifiers, "folded", lambda _: lambda text: text),
        ("select",),
        renamed=True,
    ),
    Fault(
        "long names are cut as PostgreSQL cuts them",
        wrapped(naming, "short", lambda _: lambda name: name.encode()[:63].decode(errors="ignore")),
        ("select",),
        renamed=True,
    ),
    Fault(
        "made-up names are cut by letters",
        wrapped(Names, "fresh", lambda _: lambda self, label: f"{label[:48]}_{next(self._numbers)}"),
        ("join", "self_join"),
        renamed=True,
    ),
    Fault(
        "a subquery without an alias takes the place of another",
        wrapped(Scope, "add", one_unnamed),
        ("join", "comma_join"),
        depth=1,
    ),
    Fault(
        "a list of names must be complete",
        wrapped(tables, "relabelled", complete_lists),
        ("select",),
        depth=1,
    ),
    Fault(
        "a column is hidden by its first letters",
        having_property("visible", lambda _, names: tuple(n for n in names if not n.startswith("_k"))),
        ("select",),
        renamed=True,
    ),
    Fault(
        "a hidden key has a name that anybody may write",
        all_of(
            lambda: patch.object(segmentation, "OWN", ""),
            wrapped(
                segmentation, "hidden_keys", lambda _: lambda stored: tuple(n for n in stored if n[:1] == "k")
            ),
        ),
        ("global_aggregate", "aggregate"),
        renamed=True,
    ),
    Fault(
        "a build takes over nothing of one relation",
        wrapped(CatchUp, "run", first_log_alone),
        ("join",),
        tables=2,
        building=True,
    ),
    Fault(
        "a build takes over changes twice",
        edited(Log, "take", r"DELETE (FROM.*?) RETURNING \*", r"SELECT * \1"),
        ("aggregate",),
        building=True,
    ),
    Fault(
        "a build reads what a relation is, for what it was",
        wrapped(CatchUpSql, "seen", lambda _: lambda self, term, *_: term),
        ("join", "self_join"),
        tables=2,
        building=True,
    ),
    Fault(
        "a build reads what a relation was, for what it is",
        wrapped(CatchUpSql, "seen", all_as_before),
        ("join", "self_join"),
        tables=2,
        building=True,
    ),
    Fault(
        "the swap leaves out what came last",
        wrapped(Beside, "publish", without_the_rest),
        ("select",),
        building=True,
    ),
    Fault(
        "a tick logs in parts",
        wrapped(
            Logs,
            "record",
            lambda original: lambda self, conn, tick, counts: original(self, conn, tick, few(counts)),
        ),
        ("select",),
        building=True,
    ),
    Fault(
        "a build does not tell how time has passed",
        wrapped(Beside, "at", lambda original: lambda self, _, now: original(self, now, now)),
        ("temporal",),
        building=True,
    ),
    Fault(
        "a node that is filled is not kept up",
        wrapped(CatchUp, "follow", kept_at_the_top),
        ("aggregate", "join", "window"),
        depth=1,
        building=True,
    ),
)
