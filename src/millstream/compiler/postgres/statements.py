"""The statements of a tick for one node: what all change rules have in common.

Each rule is a class of its own (linear.py, invertible.py, recompute.py, on_act.py, on_act_in_turns.py); rules.py has which node is
kept by which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import (
    Join,
    Plan,
    Scan,
    TimeFilter,
    inputs,
    scans,
    walk,
    with_inputs,
)
from millstream.compiler.incremental.differentiate import AFTER, Term, differentiate
from millstream.compiler.incremental.node import Node
from millstream.compiler.incremental.occurrences import moment
from millstream.compiler.postgres import python_calls
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.catch_up import as_it_was
from millstream.compiler.postgres.identity import same
from millstream.compiler.postgres.in_place import PLACE, apply_in_place
from millstream.compiler.postgres.layout import clause, lines, listing, nested, union_all, where
from millstream.compiler.postgres.names import addends, changes, table
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.rewrite import Position
from millstream.compiler.postgres.stored import StoredNode


@dataclass(frozen=True)
class Statement:
    """One statement of a tick, with when it runs: on the changes of which relation, before or after they apply."""

    sql: str
    relation: str = ""
    moment: str = ""


@dataclass(frozen=True)
class ByKey:
    """A statement that computes affected keys, and how to write it for some of them.

    `keys` is a SELECT of all; `compute` writes the statement for such a SELECT, `clear` what it would be if these keys had
    no rows.
    """

    keys: str
    compute: Callable[[str], str]
    clear: Callable[[str], str]


@dataclass(frozen=True)
class NodeStatements:
    """What a tick runs for a node.

    `terms` fill the addends table as the inputs change. `derive` computes the node's changes from them (or from the
    inputs' changes, where there is one leaf), `apply` changes what is stored. Around a Python call `prepare` fills the
    arguments table before it, and `derive` reads the results table, which the worker fills.
    """

    terms: tuple[Statement, ...]
    derive: str
    apply: str
    prepare: str | None = None
    call: tuple[tuple[str, str], ...] = ()  # (function, SELECT list of its arguments) of each Python call
    prepare_by: ByKey | None = None
    derive_by: ByKey | None = None


class NodeSql(StoredNode, ABC):
    """Writes the statements that keep one node; a rule says what is differentiated, and what follows from the terms.

    In a tick every relation has what a term must read when it runs. A node that is caught up reads relations `outside` of
    its build, which have all changed already.
    """

    def __init__(
        self,
        node: Node,
        describe: Describe,
        tries: Tries | None = None,
        indexes: Sequence[Sequence[str]] = (),
        outside: Collection[str] = (),
    ) -> None:
        super().__init__(node, describe, tries, indexes)
        self.outside = frozenset(outside)

    # ---- what a rule says ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def differentiated(self) -> Plan:
        """The plan whose exact change is needed: the node's plan, or what its lowest keyed operators read."""

    @abstractmethod
    def changed_columns(self) -> list[str]:
        """What the terms deliver of each changed row `s`."""

    @abstractmethod
    def statements(self, position: Position) -> NodeStatements:
        """The statements of a tick; `position` gives each relation's place in the tick's order."""

    def for_keys(self, source: str) -> NodeStatements:
        """The statements that compute the keys of a SELECT again, from what the inputs hold now."""
        raise TypeError(f"a rule that is {self.node.rule.value} computes no keys: {source}")

    def from_all_keys(self) -> NodeStatements:
        """The statements that compute every key, from what the inputs hold now."""
        return self.for_keys(self.term(render(self.differentiated)))

    # ---- session tables ------------------------------------------------------------------------------------------

    def temporary(self) -> list[str]:
        """Create the session tables of a tick: changes, and addends where terms come at different moments."""
        name = self.node.name
        row = lines(clause("SELECT", self.change_row()), f"FROM {table(name)}", "LIMIT 0")
        made = [f"CREATE TEMPORARY TABLE {changes(name)} AS\n{row}"]
        if not self.inline:
            weighted = lines(f"SELECT s.*, 0 AS {WEIGHT}", f"FROM {nested(render(self.differentiated))} AS s")
            made.append(lines(f"CREATE TEMPORARY TABLE {addends(name)} AS", self.term(weighted), "LIMIT 0"))
        return made + python_calls.create_session_tables(self)

    def change_row(self) -> list[str]:
        """The columns of the changes table; where a key has one row, also where that is stored."""
        place = [f"NULL::tid AS {PLACE}"] if self.node.unique else []
        return [*self.all_columns(), *place, f"0 AS {WEIGHT}"]

    def session_tables(self) -> list[str]:
        """The session tables to clear after a tick."""
        name = self.node.name
        mine = [changes(name)] if self.inline else [changes(name), addends(name)]
        return mine + python_calls.session_tables(self.node)

    # ---- terms ---------------------------------------------------------------------------------------------------

    @property
    def inline(self) -> bool:
        """Whether all terms can run at once when the node is derived, so that no addends need to be kept.

        They can where one leaf alone causes changes, and where they read nothing but changes: those stay for the tick.
        """
        if self.node.on_act:
            return True
        parts = list(walk(self.differentiated))
        if self.node.leaves and not any(isinstance(p, (Join, TimeFilter)) for p in parts):
            return True
        if len(self.node.leaves) != 1:
            return False
        (leaf,) = self.node.leaves
        return not any(
            isinstance(p, Join)
            and not p.process_time
            and leaf.instance in {s.instance for s in scans(p.right)}
            for p in parts
        )

    def all_terms(self, position: Position) -> tuple[tuple[Statement, ...], str]:
        """The terms that run at their moments, and a SELECT of all addends for when the node is derived."""
        if not self.inline:
            return tuple(self.terms(position)), lines("SELECT *", f"FROM {addends(self.node.name)}")
        plan = self.differentiated
        terms = [
            term
            for leaf in ((plan,) if isinstance(plan, Scan) else self.node.leaves)
            for term in differentiate(self.placed(plan, position, leaf), leaf.instance, AFTER)
        ]
        return (), union_all(self.term(render(term.plan)) for term in terms)

    def terms(self, position: Position) -> list[Statement]:
        """The addends of a node with several leaves, each at its moment."""
        made = []
        for leaf in self.node.leaves:
            when = moment(self.differentiated, leaf.instance)
            plan = self.placed(self.differentiated, position, leaf)
            for term in differentiate(plan, leaf.instance, when):
                rows = render(self.seen(term, leaf, position).plan)
                sql = lines(f"INSERT INTO {addends(self.node.name)}", self.term(rows))
                made.append(Statement(sql, leaf.relation.name, term.moment))
        return made

    def term(self, rows: str) -> str:
        """One addend, of the rows of its plan."""
        return lines(clause("SELECT", self.changed_columns() or ["1 AS one"]), f"FROM {nested(rows)} AS s")

    def seen(self, term: Term, changing: Scan, position: Position) -> Term:
        """A term over the images that it must read: in a tick those are what is stored at its moment."""
        return as_it_was(term, changing, position, self.outside) if self.outside else term

    def placed(self, plan: Plan, position: Position, changing: Scan) -> Plan:
        """Set the clock of every time filter to what its relation has reached when `changing` changes."""
        below = tuple(self.placed(child, position, changing) for child in inputs(plan))
        plan = with_inputs(plan, below)
        if isinstance(plan, TimeFilter):
            (leaf,) = scans(plan)
            mine, theirs = position(leaf.relation.name), position(changing.relation.name)
            if leaf.relation == changing.relation:
                order = [s.instance for s in self.node.leaves]
                reached = order.index(leaf.instance) < order.index(changing.instance)
            else:
                reached = mine < theirs
            return replace(plan, clock="now" if reached else "then")
        return plan

    # ---- stored rows ---------------------------------------------------------------------------------------------

    def apply(self) -> str:
        """Take the removed rows out of the table and put the added ones in."""
        if self.node.unique:
            return apply_in_place(self)
        stored, changed = table(self.node.name), changes(self.node.name)
        columns = self.all_columns()
        match_on = f"{self.same(self.identity, 't', 'd')} AND {same(self.typed, 't', 'd')}"
        several = lines("SELECT t.ctid", f"FROM {stored} AS t", where([match_on]), f"LIMIT -d.{WEIGHT}")
        going = lines(
            "SELECT t.ctid",
            f"FROM {changed} AS d",
            f"CROSS JOIN LATERAL {nested(several)} AS t",
            f"WHERE d.{WEIGHT} < 0",
        )
        gone = lines(f"DELETE FROM {stored}", f"WHERE ctid = ANY (ARRAY{nested(going)})")
        added = lines(
            f"SELECT d.*, generate_series(1, d.{WEIGHT})", f"FROM {changed} AS d", f"WHERE d.{WEIGHT} > 0"
        )
        return lines(
            f"WITH gone AS {nested(gone)}",
            f"INSERT INTO {stored} ({listing(columns)})",
            clause("SELECT", columns),
            f"FROM {nested(added)} AS d",
        )

    def returned(self) -> str:
        """The SELECT of what the node stores for the arguments whose Python calls have returned."""
        return self.with_hidden(self.named(python_calls.returned_rows(self.node)))
