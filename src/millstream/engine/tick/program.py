"""One tick as a few PostgreSQL functions: relations in order, each derived, applied, and handed to its readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.incremental.differentiate import BEFORE
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import changes, dollars, pending
from millstream.compiler.postgres.statements import NodeSql, NodeStatements
from millstream.engine.state.source import Source


@dataclass
class TickRelation:
    """A relation of the tick: a source or a node, with its statements."""

    name: str
    source: Source | None = None
    sql: NodeSql | None = None
    statements: NodeStatements | None = None
    targets: list[str] = field(default_factory=list)  # the sources that sinks put its new rows into
    compiled: Node | None = None  # the node as it was compiled, and the indexes that its model asks for
    indexes: Sequence[Sequence[str]] = ()

    @property
    def node(self) -> Node | None:
        return self.sql.node if self.sql is not None else None

    @property
    def session_tables(self) -> list[str]:
        """The tables of the worker's session that a tick fills with the relation's changes, and empties."""
        if self.sql is not None:
            return self.sql.session_tables()
        return [changes(self.name)]


@dataclass(frozen=True)
class Stretch:
    """A PostgreSQL function that runs until the next Python call, and the node whose call that is.

    `lines` tells from which line of the function on which relation is computed.
    """

    function: str
    create: str
    node: TickRelation | None
    lines: tuple[tuple[int, str], ...] = ()

    def relation_at(self, line: int) -> str:
        """The relation that a line of the function computes."""
        return [name for first, name in self.lines if first <= line][-1]


@dataclass
class Program:
    """All relations in the order of a tick, and the functions that run it."""

    relations: list[TickRelation]
    stretches: list[Stretch] = field(default_factory=list)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each relation in the order of a tick."""
        return {relation.name: place for place, relation in enumerate(self.relations)}

    @cached_property
    def sources(self) -> list[TickRelation]:
        """The source tables, in order."""
        return [relation for relation in self.relations if relation.source is not None]


def in_order(relations: Sequence[TickRelation]) -> list[TickRelation]:
    """Order relations for a tick.

    Inputs come before their readers. A relation that is only looked up as of the previous tick should come after the
    reader that looks it up; where that is impossible, because the reader depends on it too, its previous rows are
    reconstructed. Among what may come next, readers of Python and process-time joins go first, so that the lists that
    people wait for do not wait for the rest.
    """
    by_name = {relation.name: relation for relation in relations}
    inputs: dict[str, set[str]] = {}
    looked_up: dict[str, set[str]] = {}
    for relation in relations:
        node = relation.node
        inputs[relation.name] = {leaf.relation.name for leaf in node.leaves} if node is not None else set()
        looked_up[relation.name] = (
            {leaf.relation.name for leaf in node.looked_up} if node is not None else set()
        )

    def ancestors(name: str) -> set[str]:
        found: set[str] = set()
        waiting = list(inputs[name])
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting.extend(inputs[current])
        return found

    after: dict[str, set[str]] = {relation.name: set(inputs[relation.name]) for relation in relations}
    lineage = {relation.name: ancestors(relation.name) for relation in relations}

    def reaches(start: str, goal: str) -> bool:
        seen, waiting = set(), [start]
        while waiting:
            current = waiting.pop()
            if current == goal:
                return True
            if current not in seen:
                seen.add(current)
                waiting.extend(after[current])
        return False

    for relation in relations:
        for right in sorted(looked_up[relation.name]):
            if right not in lineage[relation.name] and not reaches(relation.name, right):
                after[right].add(relation.name)
    wanted: set[str] = set()
    for relation in relations:
        if relation.node is not None and relation.node.udf is not None:
            wanted |= lineage[relation.name] | {relation.name}
    rank = {r.name: (r.name not in wanted, i) for i, r in enumerate(relations)}
    ordered: list[TickRelation] = []
    done: set[str] = set()
    left = sorted((r.name for r in relations), key=rank.__getitem__)
    while left:
        name = next(n for n in left if after[n] <= done)
        left.remove(name)
        done.add(name)
        ordered.append(by_name[name])
    return ordered


def assemble(relations: Sequence[TickRelation], faults: bool = False) -> Program:
    """Order the relations, write their statements and the functions. `faults` lets tests stop at any statement."""
    ordered = in_order(relations)
    program = Program(ordered)
    for relation in ordered:
        if relation.sql is not None:
            relation.statements = relation.sql.statements(program.places.__getitem__)
    write_stretches(program, faults)
    return program


class FunctionWriter:
    """Collects the body of one function after the other."""

    def __init__(self, faults: bool) -> None:
        self.faults = faults
        self.lines: list[str] = []
        self.owners: dict[int, str] = {}  # number of a text in `lines` → the relation that it computes
        self.number = 0

    def run(
        self, owner: str, sql: str, count: str | None = None, careful: tuple[int, str] | None = None
    ) -> None:
        """Add a statement that computes a relation, where to count its rows, and its careful form: place and function."""
        self.owners[len(self.lines)] = owner
        if self.faults:
            self.number += 1
            self.lines.append(f"PERFORM millstream.fault({self.number});")
        if careful is not None:
            place, function = careful
            self.lines.append(
                f"IF k[{place}] > 0 THEN n := {function}(); ELSE\n{sql}; GET DIAGNOSTICS n = ROW_COUNT; END IF;"
            )
        else:
            self.lines.append(sql + ";")
        if count is not None:
            counted = "" if careful is not None else "GET DIAGNOSTICS n = ROW_COUNT; "
            self.lines.append(f"{counted}{count} := {count} + n;")

    def take(self, other: FunctionWriter) -> None:
        """Add what another one has collected."""
        self.owners |= {len(self.lines) + number: owner for number, owner in other.owners.items()}
        self.lines += other.lines
        self.number = other.number

    def close(self, order: int, node: TickRelation | None) -> Stretch:
        """Finish a function."""
        name = f"pg_temp.millstream_tick_{order}"
        head = "#variable_conflict use_column\nDECLARE n bigint; t timestamptz := clock_timestamp(); BEGIN\n"
        line, lines = head.count("\n") + 1, []
        for number, text in enumerate(self.lines):
            if number in self.owners:
                lines.append((line, self.owners[number]))
            line += text.count("\n") + 1
        body = "\n".join(self.lines)
        self.lines, self.owners = [], {}
        text = f"{head}{body}\nEND "
        return Stretch(
            name,
            f"CREATE OR REPLACE FUNCTION {name}(INOUT c bigint[], INOUT r bigint[], INOUT ms float8[], k smallint[]) "
            f"LANGUAGE plpgsql AS {dollars(text)}",
            node,
            tuple(lines),
        )


def careful_function(place: int, statement: str) -> str:
    """The function that runs a statement of a relation in its careful form; made when it is needed (careful.py)."""
    return f"pg_temp.millstream_careful_{place}_{statement}"


def write_stretches(program: Program, faults: bool) -> None:
    """Write the functions: c counts each relation's changes, r its addends, ms the milliseconds spent on it.

    k says for each relation whether its careful form runs, and with 2 that it runs whatever has changed.
    """
    out = FunctionWriter(faults)
    places = program.places
    readers = [
        (other, number, s)
        for other in program.relations
        if other.statements
        for number, s in enumerate(other.statements.terms)
    ]
    for relation in program.relations:
        here = places[relation.name] + 1
        changed = f"c[{here}]"
        if relation.source is None:
            assert relation.sql is not None and relation.statements is not None
            out.lines.append(f"IF {due(relation, places)} THEN")
            if relation.statements.prepare is not None:
                out.run(
                    relation.name,
                    relation.statements.prepare,
                    careful=(here, careful_function(here, "prepare")),
                )
                out.lines.append(f"r[{here}] := r[{here}] + 1;")
                out.lines.append("END IF;")
                out.lines.append(spent(here))
                program.stretches.append(out.close(len(program.stretches), relation))
                out.lines.append(f"IF {due(relation, places)} THEN")
            out.run(
                relation.name, relation.statements.derive, changed, (here, careful_function(here, "derive"))
            )
            out.lines.append("END IF;")
        for target in program.sources:
            if target.name in relation.targets and target.source is not None:
                out.lines.append(f"IF {changed} > 0 THEN")
                out.run(relation.name, into_source(relation, target.source))
                out.lines.append("END IF;")
        timed = [o for o, _, s in readers if s.relation == relation.name and o.node and o.node.timed]
        body = FunctionWriter(faults)
        body.number = out.number
        hand_on(body, relation, readers, places)
        if body.lines:
            always = " OR millstream.now() <> millstream.last_now()" if timed else ""
            out.lines.append(f"IF {changed} > 0{always} THEN")
            out.take(body)
            out.lines.append("END IF;")
        out.lines.append(spent(here))
    program.stretches.append(out.close(len(program.stretches), None))


def hand_on(out: FunctionWriter, relation: TickRelation, readers: list, places: dict[str, int]) -> None:  # type: ignore[type-arg]
    """Terms that need the relation as it was, its change, and terms that need it as it is now."""

    def terms(before: bool) -> None:
        for other, number, statement in readers:
            if statement.relation == relation.name and (statement.moment == BEFORE) == before:
                place = places[other.name] + 1
                careful = (place, careful_function(place, f"term_{number}"))
                out.run(other.name, statement.sql, f"r[{place}]", careful)

    terms(before=True)
    apply = relation.source.apply() if relation.source is not None else relation.statements.apply  # type: ignore[union-attr]
    out.run(relation.name, apply)
    terms(before=False)


def due(relation: TickRelation, places: dict[str, int]) -> str:
    """The condition under which a node has something to derive."""
    assert relation.sql is not None
    node = relation.sql.node
    here = places[relation.name] + 1
    conditions = [f"r[{here}] > 0"] if not relation.sql.inline else []
    if relation.sql.inline:
        conditions = [f"c[{places[leaf.relation.name] + 1}] > 0" for leaf in node.leaves]
        if node.timed and not node.on_act:
            conditions.append("millstream.now() <> millstream.last_now()")
    if node.computes_keys:
        conditions.append(f"k[{here}] = 2")
    return " OR ".join(dict.fromkeys(conditions))


def spent(here: int) -> str:
    """Note the milliseconds since the last note."""
    return f"ms[{here}] := ms[{here}] + extract(epoch from clock_timestamp() - t) * 1000; t := clock_timestamp();"


def into_source(sink: TickRelation, source: Source) -> str:
    """Keep a sink's new rows for the table that it goes into; the worker inserts them there as a client would.

    Their order is that of their values: where two have one key and the first wins, a replay lets the same one win.
    """
    columns = ", ".join(source.clients.given)
    return (
        f"INSERT INTO {pending(source.name)} ({columns}) SELECT {columns} FROM {changes(sink.name)} "
        f"WHERE {WEIGHT} > 0 ORDER BY {columns}"
    )
