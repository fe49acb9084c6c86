"""The rule of acting: a node with process-time joins or Python calls is computed when its driver's rows change.

The driver has a key (for a bag see on_act_in_turns.py). Its changed keys are computed again and compared, as by recomputing; what is
only looked up is read as it was before the tick, and makes nothing run. A changed row of the driver that a filter keeps out,
as it was and as it is, has no results and gets none: its key is left alone.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import conjunction, conjuncts, references
from millstream.compiler.algebra.fallible import is_fallible
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, Scan, names
from millstream.compiler.incremental.differentiate import AFTER, differentiate
from millstream.compiler.postgres.layout import clause, lines, nested, where
from millstream.compiler.postgres.names import arguments, quote
from millstream.compiler.postgres.python_calls import keys_table, returned_rows
from millstream.compiler.postgres.recompute import Recompute
from millstream.compiler.postgres.render import render
from millstream.compiler.postgres.rewrite import Position, udf_calls
from millstream.compiler.postgres.statements import ByKey, NodeStatements, Statement


class OnAct(Recompute):
    """Computes the driver's changed keys again."""

    @property
    def differentiated(self) -> Scan:
        """The driver alone."""
        (leaf,) = {scan.relation: scan for scan in self.node.leaves}.values()
        return leaf

    @property
    def computed(self) -> Plan:
        """What is computed for a key; where Python is called, up to there."""
        return self.node.udf.input if self.node.udf is not None else self.node.plan

    def key_attributes(self) -> list[tuple[str, str]]:
        """The driver's key."""
        leaf = self.differentiated
        attributes = dict(zip(leaf.names, (a.name for a in leaf.columns), strict=True))
        return [
            (key, attributes[stored]) for key, stored in zip(self.node.keys, leaf.relation.key, strict=True)
        ]

    def all_terms(self, position: Position) -> tuple[tuple[Statement, ...], str]:
        """The keys of the driver's changed rows that the filters on it let through; the careful form asks for all."""
        driver = self.differentiated
        predicate = filter_of(self.computed, driver) if self.tries is None else None
        if predicate is None:
            return super().all_terms(position)
        (term,) = differentiate(Filter(driver, predicate), driver.instance, AFTER)
        return (), self.term(render(term.plan))

    def compare_keys(self, source: str, terms: tuple[Statement, ...], position: Position) -> NodeStatements:
        """Around a Python call: keys and arguments before it, the comparison with the stored rows after it."""
        node, udf = self.node, self.node.udf
        if udf is None:
            return super().compare_keys(source, terms, position)
        keys = keys_table(node)
        inputs = [f"q.{quote(a.name)}" for a in udf.input.columns]
        number = f"(SELECT coalesce(max(_r), 0) FROM {arguments(node.name)}) + row_number() OVER ()"
        rows = self.rows_of_key(position)

        def prepare(some: str) -> str:
            return lines(
                f"WITH k AS {nested(lines(f'INSERT INTO {keys}', some, 'RETURNING *'))}",
                f"INSERT INTO {arguments(node.name)}",
                clause("SELECT", [number, *inputs]),
                "FROM k",
                f"CROSS JOIN LATERAL {nested(rows)} AS q",
            )

        found = dict(node.outputs)
        keyed = [f"{quote(found[key].name)} IS NOT DISTINCT FROM k.{quote(key)}" for key in node.keys]
        before = ByKey(self.affected(source), prepare, lambda some: lines(f"INSERT INTO {keys}", some))
        after = self.by_key(
            lines("SELECT *", f"FROM {keys}"),
            lines("SELECT *", f"FROM {nested(returned_rows(node))} AS p", where(keyed), "OFFSET 0"),
        )
        return NodeStatements(
            terms,
            after.compute(after.keys),
            self.apply(),
            prepare(before.keys),
            udf_calls(udf),
            before,
            after,
        )


def filter_of(plan: Plan, driver: Scan) -> exp.Expr | None:
    """What a plan that goes on row by row from its driver asks of the driver's rows alone, and can ask of any value."""
    known, found = frozenset(names(driver)), []
    while not isinstance(plan, Scan):
        if isinstance(plan, Join) and plan.process_time:
            plan = plan.left
        elif isinstance(plan, (Filter, Project)):
            terms = conjuncts(plan.predicate) if isinstance(plan, Filter) else []
            found += [term for term in terms if references(term) <= known and is_safe(term)]
            plan = plan.input
        else:
            return None
    return conjunction(found)


def is_safe(term: exp.Expr) -> bool:
    """Tell whether a condition fails on no value, and calls no function of the project."""
    return not any(isinstance(part, exp.Anonymous) or is_fallible(part) for part in term.walk())
