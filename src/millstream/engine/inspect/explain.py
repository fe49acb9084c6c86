"""How a deployed model is kept: its operators, what each node stores, and what each costs in a tick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from millstream.compiler.binder.scope import SqlFunction
from millstream.compiler.compile import compile_view
from millstream.compiler.incremental.node import Node, Rule
from millstream.compiler.postgres.names import queue, short, table
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import Entry, PythonFunction, Sink
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.catalog.store import load
from millstream.engine.deploy.readers import readers_of
from millstream.engine.inspect.operators import Operator, operators
from millstream.engine.inspect.status import WAITING
from millstream.errors import MillstreamError

EXACT_PAGES = 1000  # tables up to this many pages (8 KiB each) are counted, larger ones estimated
SAID = {
    Rule.LINEAR: "the change is computed from the changes below",
    Rule.BILINEAR: "the changes of each side of a join are joined with the other side",
    Rule.INVERTIBLE: "counts and sums are merged",
    Rule.RECOMPUTE: "the affected keys are computed again and compared",
    Rule.ON_ACT: "computed for a key when its driver row changes, with the other inputs as they are then",
}
IN_TURNS = "computed for a row when it comes, with the other inputs as they are then; of equal rows the oldest go first"


@dataclass(frozen=True)
class Stored:
    """A table as it lies there: rows (estimated where it is large), bytes with indexes, and the indexes' definitions."""

    table: str
    rows: int
    bytes: int
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What keeping a node took since it was built: ticks it was looked at in, rows changed, milliseconds in all."""

    ticks: int
    changes: int
    milliseconds: float

    @property
    def per_tick(self) -> float | None:
        """Milliseconds a tick on average; None before the first one."""
        return self.milliseconds / self.ticks if self.ticks else None


@dataclass(frozen=True)
class NodeExplained:
    """One stored result of a model. `driver` is what an on-act node acts on, `looked_up` what it reads as it is then."""

    name: str
    rule: str
    keys: tuple[str, ...]
    plan: Operator
    stored: Stored
    cost: Cost
    python: tuple[str, ...] = ()
    driver: str | None = None
    looked_up: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explained:
    """A deployed name. `kept` says in a sentence how it stays current; `nodes` are inner ones first."""

    name: str
    kind: str
    kept: str
    path: str | None
    reads: tuple[str, ...]
    read_by: tuple[str, ...]
    nodes: tuple[NodeExplained, ...] = ()
    stored: Stored | None = None
    queued: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def explain(conn: psycopg.Connection, name: str, *, schema: str = "public") -> Explained:
    """Explain what is deployed under a name. Raises MillstreamError where nothing is, with the names that are alike."""
    with conn.transaction():
        catalogue = load(conn)
        deployed = catalogue.named(schema, name)
        if deployed is None:
            raise MillstreamError(unknown(catalogue, schema, name))
        read_by = tuple(sorted(d.name for d in readers_of(catalogue, schema, name)))
        if deployed.kind == "materialized_view":
            return explain_view(conn, catalogue, deployed, read_by)
        if deployed.kind == "table":
            return explain_source(conn, deployed, read_by)
        kept, reads = without_state(catalogue, deployed)
        return Explained(name, deployed.kind, kept, deployed.path, reads, read_by)


def unknown(catalogue: Catalogue, schema: str, name: str) -> str:
    """Say that nothing has this name, and what might have been meant."""
    from difflib import get_close_matches

    names = [d.name for d in catalogue.relations.values() if d.schema == schema]
    alike = get_close_matches(name, names, n=3)
    meant = f"did you mean {', '.join(alike)}?" if alike else "`millstream status` lists what is deployed."
    return (
        f"nothing is deployed as {name}\n  hint: {meant} An ephemeral model is part of the models that read it: "
        "explain one of those. `dbt run` deploys."
    )


def explain_view(
    conn: psycopg.Connection, catalogue: Catalogue, deployed: Entry, read_by: tuple[str, ...]
) -> Explained:
    """Compile a materialized view as the worker does, and add what its tables and ticks say."""
    state = catalogue.current(deployed.schema, deployed.name)
    assert state is not None
    compiled = compile_view(Resolver(catalogue, state.reads), state.name, state.definition, state.path)
    nodes = tuple(explain_node(conn, node) for node in compiled.nodes)
    kept = state.summary
    reads = tuple(sorted(key.removeprefix("public.") for key in state.reads))
    detail = {"version": state.name, "columns": [list(column) for column in state.columns]}
    return Explained(
        deployed.name,
        deployed.kind,
        kept,
        deployed.path,
        reads,
        read_by,
        nodes,
        nodes[-1].stored,
        None,
        detail,
    )


def explain_node(conn: psycopg.Connection, node: Node) -> NodeExplained:
    """One node: its plan in words, its table, its cost."""
    udf = node.udf
    return NodeExplained(
        node.name,
        f"{node.rule.value}: {IN_TURNS if node.takes_turns else SAID[node.rule]}",
        node.keys,
        operators(node.plan),
        stored(conn, node.name),
        cost(conn, node.name),
        tuple(name for _, name, _ in udf.calls) if udf is not None else (),
        node.leaves[0].relation.name if node.on_act else None,
        tuple(sorted({scan.relation.name for scan in node.looked_up})),
    )


def explain_source(conn: psycopg.Connection, deployed: Entry, read_by: tuple[str, ...]) -> Explained:
    """A source table: what is stored and what waits."""
    from millstream.compiler.syntax.declarations.tables import parse_table

    name = str(deployed.state)
    declared = parse_table(deployed.text, deployed.path)
    rule = f"key {', '.join(declared.key)}" if declared.key else "no key: every row counts"
    row = conn.execute(f"select {WAITING} from {queue(name)}".encode()).fetchone()
    return Explained(
        deployed.name,
        "source table",
        rule,
        deployed.path,
        (),
        read_by,
        (),
        stored(conn, name),
        int(row[0]) if row else 0,
    )


def without_state(catalogue: Catalogue, deployed: Entry) -> tuple[str, tuple[str, ...]]:
    """What a plain view, a function or a sink is, and what it reads."""
    from millstream.compiler.syntax.from_items import display_name
    from millstream.compiler.syntax.parse import parse
    from millstream.compiler.syntax.reads import relations

    if deployed.kind == "view":
        read = relations(parse(deployed.text)) & set(catalogue.relations)
        kept = "not stored: computed when it is read, and expanded in the materialized views that read it"
        return kept, tuple(sorted(display_name(schema, name) for schema, name in read))
    match deployed.definition:
        case SqlFunction() as function:
            return f"SQL, put into the models that call it: {function.body}", ()
        case PythonFunction() as function:
            return f"Python, {function.module}, code {function.code}", ()
        case Sink() as sink:
            return f"its new rows enter {sink.target} in the same tick", (str(deployed.state),)
    raise AssertionError(deployed.kind)


def stored(conn: psycopg.Connection, relation: str) -> Stored:
    """Look a state table up."""
    name = table(relation)
    row = conn.execute(
        "select relpages, reltuples::bigint, pg_total_relation_size(oid) from pg_class where oid = %s::regclass",
        [name],
    ).fetchone()
    assert row is not None
    pages, rows, size = row
    if rows < 0 or pages <= EXACT_PAGES:
        counted = conn.execute(f"select count(*) from {name}".encode()).fetchone()
        rows = counted[0] if counted else 0
    indexes = conn.execute(
        "select indexdef from pg_indexes where schemaname = 'millstream_data' and tablename = %s",
        [short(relation)],
    ).fetchall()
    listed = sorted(
        found[0].split(" USING ")[1].split(" WHERE ")[0] for found in indexes
    )  # all have what fits
    return Stored(name, int(rows), int(size), tuple(listed))


def cost(conn: psycopg.Connection, node: str) -> Cost:
    """What the worker noted of a node."""
    row = conn.execute(
        "select ticks, rows, milliseconds from millstream.node_stats where node = %s", [node]
    ).fetchone()
    return Cost(*row) if row is not None else Cost(0, 0, 0.0)
