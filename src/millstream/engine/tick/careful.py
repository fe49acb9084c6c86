"""The careful forms of relations in the worker's session: made when a relation has failed, run by the next ticks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import psycopg

from millstream.compiler.postgres.by_key import body, create_keys
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.fitting import model_of
from millstream.compiler.postgres.names import dollars
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import NodeStatements
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.state.describe import describer
from millstream.engine.state.locks import enter_turn
from millstream.engine.tick.program import Program, TickRelation, careful_function

TICKS = 1000  # how long a relation stays careful after it has failed
FAST, CAREFUL, AGAIN = (
    0,
    1,
    2,
)  # what a tick is told of a relation: AGAIN computes dead keys that are to be tried
AT_LINE = re.compile(r"millstream_tick_(\d+)\([^)]*\) line (\d+) ")

# Classes of SQLSTATE that speak of the server or the session, whatever statement ran: of no relation.
OF_THE_SERVER = ("08", "25", "28", "3D", "40", "53", "55", "57", "58", "F0")
CORRUPTED = ("XX001", "XX002")
VALUE = "22000"  # a value that PostgreSQL has and Python cannot hold


@dataclass
class CarefulForms:
    """Which relations of a program run carefully: how many ticks more, and their statements."""

    left: dict[str, int] = field(default_factory=dict)
    statements: dict[str, NodeStatements] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # nodes that have keys set aside
    again: set[str] = field(default_factory=set)  # those of which some are to be tried again

    @classmethod
    def of(cls, conn: psycopg.Connection, program: Program) -> CarefulForms:
        """The forms of those nodes that have keys set aside: they are forgotten by the careful form alone."""
        forms = cls()
        rows = conn.execute("select node, bool_or(again) from millstream.dead_key group by node").fetchall()
        for name, again in rows:
            if name in program.places:
                forms.dead.add(name)
                forms.again |= {name} if again else set()
                forms.make(conn, program, program.relations[program.places[name]])
        return forms

    def look(self, conn: psycopg.Connection) -> None:
        """Learn which nodes have keys set aside now."""
        self.dead = {str(row[0]) for row in conn.execute("select distinct node from millstream.dead_key")}

    def modes(self, program: Program) -> list[int]:
        """What the next tick is told of each relation."""
        return [
            FAST if r.name not in self.statements else AGAIN if r.name in self.again else CAREFUL
            for r in program.relations
        ]

    def calls(self, relation: TickRelation) -> tuple[tuple[str, str], ...]:
        """The Python calls of a node in the form that runs."""
        found = self.statements.get(relation.name, relation.statements)
        assert found is not None
        return found.call

    def ticked(self) -> None:
        """Count a finished tick; who has not failed for long runs fast again, unless it has keys set aside."""
        self.again.clear()
        for name in list(self.left):
            self.left[name] -= 1
            if self.left[name] <= 0 and name not in self.dead:
                del self.left[name], self.statements[name]

    def make(self, conn: psycopg.Connection, program: Program, relation: TickRelation) -> None:
        """Make a relation's careful form, and let the next ticks run it. Raises psycopg.Error if it cannot be made."""
        if relation.name not in self.statements:
            with conn.transaction():
                self.statements[relation.name] = create(conn, program, relation)
        self.left[relation.name] = TICKS


def create(conn: psycopg.Connection, program: Program, relation: TickRelation) -> NodeStatements:
    """Make the functions that a tick calls for a relation in its careful form; returns its statements."""
    assert relation.compiled is not None
    place, model = program.places[relation.name] + 1, model_of(relation.compiled)
    tries = Tries(f"millstream_try_{place}", model)
    sql = node_sql(relation.compiled, describer(conn), tries, relation.indexes)
    statements = sql.statements(program.places.__getitem__)
    made = tries.statements()
    for number, term in enumerate(statements.terms):
        made.append(counting(careful_function(place, f"term_{number}"), term.sql))
    for name, text, by in (
        ("prepare", statements.prepare, statements.prepare_by),
        ("derive", statements.derive, statements.derive_by),
    ):
        if text is not None and by is None:
            made.append(counting(careful_function(place, name), text))
        elif by is not None:
            keys = f"millstream_keys_{place}_{name}"
            made.append(f"DROP TABLE IF EXISTS pg_temp.{keys}")
            made.append(create_keys(keys, by))
            made.append(function(careful_function(place, name), body(sql, by, model, f"pg_temp.{keys}")))
    for statement in made:
        conn.execute(statement.encode())
    return statements


def function(name: str, text: str) -> str:
    """Create a function of the session that returns how many rows it made."""
    return f"CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE plpgsql AS {dollars(text)}"


def counting(name: str, statement: str) -> str:
    """A function that runs one statement."""
    return function(
        name,
        f"#variable_conflict use_column\nDECLARE n bigint; BEGIN {statement}; "
        "GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END",
    )


def at_fault(program: Program, error: psycopg.Error, running: TickRelation | None) -> TickRelation | None:
    """The relation whose statement failed, or that was running; None where the error is of the server."""
    state = error.sqlstate or (VALUE if isinstance(error, psycopg.DataError) else "")
    if not state or state[:2] in OF_THE_SERVER or state in CORRUPTED:
        return None
    found = AT_LINE.search(error.diag.context or "")
    if found is None:
        return running
    name = program.stretches[int(found[1])].relation_at(int(found[2]))
    return program.relations[program.places[name]]


def suspend(conn: psycopg.Connection, state: str, node: str, error: str) -> None:
    """Let a version of a view, and what reads it, stand still until it is deployed again."""
    with conn.transaction():
        enter_turn(conn)
        conn.execute(
            "insert into millstream.suspended (state, node, error) values (%s, %s, %s) on conflict do nothing",
            [state, node, error[:2000]],
        )


def suspended(conn: psycopg.Connection, catalogue: Catalogue) -> set[str]:
    """The versions that stand still: those that failed, and what reads them."""
    found = {str(row[0]) for row in conn.execute("select state from millstream.suspended").fetchall()}
    for state in catalogue.views:  # each after what it reads
        if state.below & found:
            found.add(state.name)
    return found
