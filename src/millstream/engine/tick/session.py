"""The worker's connection: settings, session tables, the functions of a tick."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from millstream.compiler.compile import compile_view
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.names import dollars, queue
from millstream.compiler.postgres.rules import node_sql
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.project_settings import ProjectSettings, read_project_settings
from millstream.engine.catalog.records import StoredTable, StoredView
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.catalog.store import load
from millstream.engine.state.describe import describer
from millstream.engine.state.indexes import named_columns
from millstream.engine.state.locks import enter_turn
from millstream.engine.state.source import source_of
from millstream.engine.state.versions import refuse_outdated
from millstream.engine.tick.careful import suspended
from millstream.engine.tick.program import Program, TickRelation, assemble
from millstream.errors import Refused


def relations_of(conn: psycopg.Connection, catalogue: Catalogue) -> list[TickRelation]:
    """Compile everything that is needed. Raises Outdated where it was stored by another version of the compiler."""
    describe = describer(conn)
    needed = catalogue.needed() - suspended(conn, catalogue)
    states = [state for state in catalogue.states.values() if state.name in needed]
    views = [state for state in states if isinstance(state, StoredView)]
    compiled = {state.name: compiled_again(catalogue, state) for state in views}
    refuse_outdated([(state, compiled[state.name]) for state in views])
    found: list[TickRelation] = []
    by_name: dict[str, TickRelation] = {}
    for state in states:
        if isinstance(state, StoredTable):
            found.append(TickRelation(state.name, source=source_of(state)))
            by_name[state.name] = found[-1]
            continue
        nodes = compiled[state.name]
        for node in nodes:
            indexes = named_columns(state.indexes) if node is nodes[-1] else []
            sql = node_sql(node, describe, indexes=indexes)
            found.append(TickRelation(node.name, sql=sql, compiled=node, indexes=indexes))
            by_name[node.name] = found[-1]
    for entry, sink in catalogue.sinks():
        if entry.state in by_name:
            by_name[entry.state].targets.append(sink.target)
    return found


def compiled_again(catalogue: Catalogue, state: StoredView) -> Sequence[Node]:
    """The nodes of a view; none where this version refuses it, so that it counts as outdated and is deployed again.

    It may read another one by the names of before, and that one is deployed again first.
    """
    try:
        return compile_view(Resolver(catalogue, state.reads), state.name, state.definition, state.path).nodes
    except Refused:
        return ()


def prepare(conn: psycopg.Connection, faults: bool = False) -> tuple[Program, Catalogue]:
    """Load the catalogue, make the session tables and functions; returns what to run."""
    with conn.transaction():
        enter_turn(conn)  # no deploy may change the catalogue while it is read
        catalogue = load(conn)
        program = assemble(relations_of(conn, catalogue), faults)
        conn.execute("discard temporary")
        for relation in program.relations:
            parts = relation.source.temporary() if relation.source is not None else relation.sql.temporary()  # type: ignore[union-attr]
            for statement in parts:
                conn.execute(statement.encode())
        for stretch in program.stretches:
            conn.execute(stretch.create.encode())
        conn.execute(take_function(program, read_project_settings(conn)).encode())
        conn.execute(finish_function(program).encode())
    return program, catalogue


def take_function(program: Program, settings: ProjectSettings) -> str:
    """A function that begins a tick: takes queued rows of every source and reads the clock.

    `given` is the reading where the caller chooses it; else it is the wall clock's, or the time of the latest event. It
    never goes back, but once to where an owner has set it.
    """
    lines = []
    for number, relation in enumerate(program.sources, 1):
        assert relation.source is not None
        taken = [f"{relation.source.take(f'batch[{number}]')} counts[{number}] := n; changed[{number}] := m;"]
        if relation.source.is_timed(settings):
            taken.append(f"IF m > 0 THEN {relation.source.latest('latest', settings)} END IF;")
        if relation.source.clients.generated:
            taken.append("IF n > 0 THEN PERFORM set_config('millstream.failures', 'yes', true); END IF;")
        lines += [f"IF waiting[{number}] THEN", *taken, "END IF;"]
    queues = [f"EXISTS (SELECT FROM {queue(relation.name)})" for relation in program.sources]
    none = f"array_fill(0::bigint, ARRAY[{len(queues)}])"
    body = "\n".join(lines)
    text = f""" #variable_conflict use_column
        DECLARE n bigint; m bigint; latest timestamptz; last timestamptz; chosen timestamptz; waiting boolean[];
        BEGIN
        counts := {none}; changed := {none};
        waiting := ARRAY[{", ".join(queues)}]::boolean[];  -- one look at all: most queues are empty
        {body}
        SELECT c.now, c.set_to INTO last, chosen FROM millstream.clock AS c;
        reading := coalesce(
            chosen, greatest(last, coalesce(given, CASE WHEN wall THEN clock_timestamp() ELSE latest END)));
        PERFORM set_config('millstream.last_now', last::text, true), set_config('millstream.now', reading::text, true);
        END """
    return f"""
        CREATE OR REPLACE FUNCTION pg_temp.millstream_take(
            batch bigint[], given timestamptz, wall boolean,
            OUT counts bigint[], OUT changed bigint[], OUT reading timestamptz
        ) LANGUAGE plpgsql AS {dollars(text)}"""


def finish_function(program: Program) -> str:
    """A function that ends a tick: adds up what failed on values, empties the session tables, logs, sets the clock.

    `took` has the rows taken of each source as JSON, `spent` the milliseconds before the call. Returns the clock.
    """
    lines = []
    for place, relation in enumerate(program.relations, 1):
        tables = " ".join(f"DELETE FROM {name};" for name in relation.session_tables)
        lines.append(f"IF r[{place}] > 0 OR c[{place}] > 0 THEN {tables} END IF;")
    body = "\n".join(lines)
    text = f"""
        DECLARE number bigint;
        BEGIN
        {body}
        PERFORM millstream.settle_evaluation_errors();
        UPDATE millstream.clock SET tick = tick + 1, now = reading, set_to = NULL RETURNING tick, now INTO number, clock;
        ms := spent + extract(epoch from clock_timestamp() - statement_timestamp()) * 1000;
        IF took <> '{{}}' OR 0 < ANY (c) THEN
            INSERT INTO millstream.tick_log (tick, now, milliseconds, taken) VALUES (number, clock, ms, took);
        END IF;
        END """
    return f"""
        CREATE OR REPLACE FUNCTION pg_temp.millstream_finish(
            c bigint[], r bigint[], reading timestamptz, took jsonb, spent float8, OUT clock timestamptz, OUT ms float8
        ) LANGUAGE plpgsql AS {dollars(text)}"""
