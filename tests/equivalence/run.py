"""Run a case: the same statements against the engine and the source model, and after every tick compare every view.

In every tick the changes of every relation add up (delta_watch.py). A view is compared with both oracles as soon as it is
deployed (a plain one from the next tick on) and after every tick. Column names must be the same in all three, column types
the same in the engine and in PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.fitting import model_of
from tests.equivalence.act_cases import ActView
from tests.equivalence.cases import Advance, Begin, Case, Deploy, Finish, Tick, View, apply
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.oracles import DuckdbOracle, Oracle, PostgresOracle, Result
from tests.equivalence.schema import Column
from tests.equivalence.source_model import SourceModel
from tests.equivalence.tape import Tape

TEXTS = ({25, 1043}, {1009, 1015})
"""Type oids of text and varchar, and of lists of them, which name the same types here."""


@dataclass
class Tally:
    """What was tried, so that a green run can say how much it looked at."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


class Mismatch(AssertionError):
    """A view does not hold what its SQL says."""


@dataclass
class Run:
    """One case in progress."""

    case: Case
    engine: Engine
    postgres: PostgresOracle
    duckdb: DuckdbOracle
    tally: Tally
    models: dict[str, SourceModel] = field(default_factory=dict)
    deployed: list[View | ActView] = field(default_factory=list)
    tapes: list[Tape] = field(default_factory=list)
    ticks: int = 0
    postgres_alone: bool = False
    building: Building | None = None

    def __post_init__(self) -> None:
        for table in self.case.tables:
            self.models[table.name] = SourceModel(table)
            self.engine.create_table(table)
            for oracle in self.oracles.values():
                oracle.create_table(table.mirror_ddl)

    def steps(self) -> None:
        """Run every step of the case."""
        for step in self.case.steps:
            if isinstance(step, Deploy):
                self.deploy(next(view for view in self.case.views if view.name == step.view))
            elif isinstance(step, Begin):
                view = next(view for view in self.case.views if view.name == step.view)
                self.building = Building(self, view)
            elif isinstance(step, Advance | Finish):
                self.go_on_building(to_the_end=isinstance(step, Finish))
            elif isinstance(step, Tick):
                self.tick(step.now)
            else:
                self.engine.execute(step)
                apply(self.models[step.table], step)

    @property
    def oracles(self) -> dict[str, Oracle]:
        known: dict[str, Oracle] = {"PostgreSQL": self.postgres}
        return known if self.postgres_alone else {**known, "DuckDB": self.duckdb}

    def deploy(self, view: View | ActView) -> None:
        self.engine.create_view(view)
        if isinstance(view, ActView):
            self._start_tape(view)
        else:
            for oracle in self.oracles.values():
                oracle.create_view(view.name, view.batch or view.sql)
        self.deployed.append(view)
        self.tally.counts["views"] += 1
        if view.materialized:  # a plain one reads what no tick has taken yet
            self.check([view], f"on deployment, after tick {self.ticks}")

    def go_on_building(self, *, to_the_end: bool) -> None:
        """One step of the building, or all that are left. Then the views of before or the new ones are there, and right."""
        building = self.building
        while building is not None and self.building is building:
            if building.advance():
                self.building = None
                self.published(building)
            elif not to_the_end:
                return

    def published(self, building: Building) -> None:
        """What was built is there now."""
        new = [view for view in building.views if view not in self.deployed]
        for view in new:
            if isinstance(view, ActView):
                self._create_tape(building.tapes[view.name])
            else:
                for oracle in self.oracles.values():
                    oracle.create_view(view.name, view.batch or view.sql)
        self.tapes = [tape for tape in self.tapes if tape.act.name not in building.tapes]
        for tape in building.tapes.values():
            self.tapes.append(tape)
            for oracle in self.oracles.values():
                oracle.load(tape.table, tape.rows)
        self.deployed += new
        self.tally.counts["views"] += len(building.views)
        self.tally.counts["built beside"] += len(building.views)
        kept = [view for view in self.deployed if view.materialized]  # others read what no tick has taken yet
        self.check(kept, f"built beside, after tick {self.ticks}")

    def _start_tape(self, view: ActView) -> None:
        """Fill an on-act view: every driver row is looked up in what the right sides hold now."""
        tape = Tape(view, self.duckdb)
        self._create_tape(tape)
        self.tapes.append(tape)
        tape.before_tick()
        self._run_tape(tape)

    def _create_tape(self, tape: Tape) -> None:
        view = tape.act
        for oracle in self.oracles.values():
            oracle.create_table(tape.ddl)
            if view.outer is not None:
                oracle.create_view(view.name, view.outer.format(inner=tape.table))

    def _run_tape(self, tape: Tape) -> None:
        tape.after_tick()
        for oracle in self.oracles.values():
            oracle.load(tape.table, tape.rows)

    def tick(self, now: datetime) -> None:
        for tape in self.tapes:
            tape.before_tick()
        self.engine.tick(now)
        self.ticks += 1
        if self.engine.change_errors:
            raise Mismatch(f"in tick {self.ticks}: " + "\n".join(self.engine.change_errors))
        self.tally.counts["ticks"] += 1
        for name, model in self.models.items():
            for oracle in self.oracles.values():
                oracle.load(name, model.rows.values())
        for oracle in self.oracles.values():
            oracle.set_now(now)
        for tape in self.tapes:
            self._run_tape(tape)
        for name, model in self.models.items():
            self.same(
                name,
                Result((), (), list(model.rows.values())),
                "the source model",
                f"after tick {self.ticks}",
            )
        self.check(self.deployed, f"after tick {self.ticks}")
        dead = self.engine.query("select relation, error from millstream.dead_row")
        if dead:
            raise Mismatch(f"rows were set aside after tick {self.ticks}: {dead}")

    def check(self, views: Iterable[View | ActView], moment: str) -> None:
        """Compare views with every oracle."""
        for view in views:
            # A plain view with now() reads the wall clock when it is read directly, and one in which a value may fail
            # fails with it, as in RisingWave's batch queries; both are compared where they are expanded.
            if view.materialized or not only_expanded(view, self.case):
                columns = view.columns if isinstance(view, View) else ()
                for name, oracle in self.oracles.items():
                    self.same(view.name, oracle.read(view.name), name, moment, columns)

    def same(
        self, relation: str, expected: Result, source: str, moment: str, columns: Sequence[Column] = ()
    ) -> None:
        """Compare a relation with what it should hold; `columns` tells which of its values must be the very same."""
        actual = self.engine.read(relation)
        self.tally.counts["comparisons"] += 1
        found = difference(expected.rows, actual.rows)
        if found is None and expected.images:
            exact = [column.image for column in columns]
            found = difference(chosen(expected, exact), chosen(actual, exact))
        if found is not None:
            raise Mismatch(f"{relation} differs from {source} {moment}\n{found}")
        names = tuple(self.case.spelling.column(name) for name in expected.names)
        if names and names != actual.names:
            raise Mismatch(f"{relation} has columns {actual.names}, {source} has {names}")
        if expected.types and any(
            a != b and {a, b} not in TEXTS for a, b in zip(expected.types, actual.types, strict=True)
        ):
            raise Mismatch(f"{relation} has column types {actual.types}, {source} has {expected.types}")


def chosen(result: Result, exact: Sequence[bool]) -> list[tuple[Any, ...]]:
    """The rows with the images of those columns of which they are known."""
    if not any(exact):
        return result.rows
    return [
        tuple(text if wanted else value for value, text, wanted in zip(row, image, exact, strict=True))
        for row, image in zip(result.rows, result.images, strict=True)
    ]


class Building:
    """Views that are built beside what runs, and the tapes of those that act."""

    def __init__(self, run: Run, view: View | ActView) -> None:
        self.run = run
        self.steps = run.engine.building(view)
        self.views: list[View | ActView] = []
        self.tapes: dict[str, Tape] = {}
        self.advance()

    def advance(self) -> bool:
        """One step, and so many more that all that acts within a view is filled from one tick; tell whether it was the last."""
        while True:
            done = next(self.steps, None)
            if done is not None and done.what == "published":  # ticks know it from now on
                done = next(self.steps, None)
            for tape in self.tapes.values():  # each step takes over what ticks changed since the one before
                tape.before_tick()
                tape.after_tick()
            if done is None:
                return True
            if not self.views:
                self.views = list(dict.fromkeys(self.view_of(node) for node in done.left))
            if done.node is None:
                return False
            self.look_at(done.node)
            view = self.view_of(done.node)
            if not any(node.on_act and self.view_of(node) == view for node in done.left):
                return False

    def look_at(self, node: Node) -> None:
        """Begin the tape of a view whose acts were filled."""
        view = self.view_of(node)
        if node.on_act and view.name not in self.tapes:
            assert isinstance(view, ActView)
            tape = self.tapes[view.name] = Tape(view, self.run.duckdb)
            tape.before_tick()
            tape.after_tick()

    def view_of(self, node: Node) -> View | ActView:
        """The view that a node belongs to."""
        found = self.run.engine.view_of(model_of(node))
        return next(v for v in self.run.case.views if self.run.case.spelling.relation(v.name) == found)


def only_expanded(view: View | ActView, case: Case) -> bool:
    """Tell whether a view, plain views below it expanded, has a temporal filter or an operation that may fail."""
    if view.reads_now or view.may_fail:
        return True
    plain = [each for each in case.views if not each.materialized and each.name in view.inputs]
    return any(only_expanded(each, case) for each in plain)


def run(
    case: Case, dsn: str, oracle_dsn: str, tally: Tally | None = None, *, postgres_alone: bool = False
) -> None:
    """Run a case in an empty database; raises Mismatch where the engine and an oracle differ.

    `postgres_alone` leaves DuckDB out, for constructs that it has not.
    """
    tally = tally or Tally()
    tally.counts["histories"] += 1
    with (
        Engine(dsn, watched=True, spelling=case.spelling) as engine,
        PostgresOracle(oracle_dsn) as postgres,
        DuckdbOracle() as duckdb,
    ):
        Run(case, engine, postgres, duckdb, tally, postgres_alone=postgres_alone).steps()
