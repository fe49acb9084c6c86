"""What a change of definitions has to build: new versions of views, in order, with names that mean them already.

A draft compiles, creates empty tables and remembers the versions in the catalogue, where no name stands for them yet. It is
filled all at once (change.py) or beside what runs (beside.py); publishing it lets the names stand for the new versions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.compile import compile_view, fingerprint
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.indexes import Index, needed
from millstream.compiler.postgres.names import quote, table
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.json_form import write_pins
from millstream.engine.catalog.records import Entry, StoredView
from millstream.engine.catalog.resolver import Resolver, load_names, pins_of
from millstream.engine.deploy.faults import refusing_faults
from millstream.engine.deploy.naming import free_name, next_version
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.public import is_shown, show_version, visible_columns
from millstream.engine.deploy.rehearsal import rehearse
from millstream.engine.deploy.sinks import repoint_sinks
from millstream.engine.state import feed
from millstream.engine.state.describe import describer
from millstream.engine.state.indexes import check_columns, make_index
from millstream.engine.state.locks import only_a_moment
from millstream.engine.state.types import check_stored_types, create_composites
from millstream.engine.state.udf import Functions
from millstream.engine.state.versions import signature
from millstream.errors import Refused

ON_OLD = "{} (stays on the old version until it is deployed again)"


@dataclass(frozen=True)
class Version:
    """A version of a materialized view that is to be built, and the indexes that its model asks for."""

    state: StoredView
    nodes: tuple[NodeSql, ...]
    indexes: tuple[Index, ...]


@dataclass
class Draft:
    """One change. `catalogue` is as if it were published; `names` and `swaps` are what publishing does."""

    conn: psycopg.Connection
    catalogue: Catalogue
    versions: list[Version] = field(default_factory=list)
    names: dict[tuple[str, str], Entry] = field(default_factory=dict)
    swaps: list[Callable[[], None]] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)  # of each node that is filled

    def __post_init__(self) -> None:
        self.functions = Functions(self.catalogue.python())

    # ---- what the change is --------------------------------------------------------------------------------------

    def name(self, new: Entry) -> None:
        """Let a name stand for something new, within the draft."""
        self.names[new.schema, new.name] = self.catalogue.relations[new.schema, new.name] = new

    def add(
        self,
        schema: str,
        name: str,
        sql: str,
        path: str | None,
        indexes: Sequence[Sequence[str]] = (),
        *,
        force: bool = False,
    ) -> Deployed:
        """Compile a materialized view and create its tables, unless it is deployed as it is."""
        catalogue = self.catalogue
        existing = catalogue.named(schema, name)
        if existing is None or existing.kind not in ("materialized_view", "view"):
            free_name(self.conn, catalogue, schema, name, "materialized_view", path)
        state_name = next_version(catalogue, schema, name)
        compiled = compile_view(Resolver(catalogue), state_name, sql, path)
        nodes = signature(compiled.nodes, state_name)
        reads = pins_of(compiled.reads)
        listed = [list(columns) for columns in indexes]
        print_ = fingerprint(sql + repr(listed) + nodes, write_pins(reads))
        current = catalogue.current(schema, name)
        if (
            not force
            and current is not None
            and current.fingerprint == print_
            and is_shown(self.conn, schema, name)
        ):
            return Deployed(name, "unchanged", current.summary)
        asked = check_columns(indexes, compiled.nodes[-1].visible, name, path)
        create_composites(self.conn, compiled.composites.items())
        written = self.create(compiled.nodes, asked)
        check_stored_types(self.conn, compiled.nodes, path)
        rehearse(self.conn, written)
        top = written[-1].node
        state = StoredView(
            state_name,
            schema,
            name,
            sql,
            path,
            visible_columns(self.conn, top),
            top.relation.key,
            tuple(node.name for node in compiled.nodes),
            reads,
            guard=top.relation.guard,
            single=top.relation.single,
            indexes=tuple(map(tuple, indexes)),
            nodes=nodes,
            fingerprint=print_,
        )
        store.put_state(self.conn, state)
        catalogue.states[state.name] = state
        own = tuple(Index(top.name, tuple(map(quote, columns))) for columns in asked)
        self.versions.append(Version(state, tuple(written), own))
        self.name(Entry(schema, name, "materialized_view", state.name, sql, path))
        self.swaps.append(lambda: show_version(self.conn, self.catalogue, schema, name, top))
        return Deployed(name, "replaced" if existing is not None else "created")

    def create(self, nodes: Sequence[Node], indexes: Sequence[Sequence[str]]) -> list[NodeSql]:
        """Create the empty tables of a view; the last node's has the model's own indexes."""
        written: list[NodeSql] = []
        describe = describer(self.conn)
        for node in nodes:
            written.append(node_sql(node, describe, indexes=indexes if node is nodes[-1] else ()))
            for statement in written[-1].create():
                self.conn.execute(statement.encode())
        return written

    def add_readers(self, schema: str, name: str, later: Collection[tuple[str, str]] = ()) -> None:
        """Add, in order, every materialized view that read the old version of this one, directly or not.

        Those that are deployed `later` in any case, and what reads only them, are left to that. So is one that cannot be
        compiled over the new version; what happened to each is in `rebuilt`.
        """
        changed = {f"{schema}.{name}"}
        while True:
            waiting = [
                state
                for state in self.catalogue.views
                if set(state.reads) & changed
                and f"{state.schema}.{state.relation}" not in changed
                and (state.schema, state.relation) not in later
                and self.catalogue.stands_for(state)
            ]
            if not waiting:
                return
            state = waiting[0]
            changed.add(f"{state.schema}.{state.relation}")
            self.rebuilt += self.add_reader(state)

    def add_reader(self, state: StoredView) -> list[str]:
        """Add one reader of what changed; returns what to tell of it."""
        before = replace(self, versions=list(self.versions), names=dict(self.names), swaps=list(self.swaps))
        known = dict(self.catalogue.relations), dict(self.catalogue.states)
        try:
            reads = partial(load_names, self.conn)
            with (
                refusing_faults(state.relation, state.path, state.definition, reads),
                self.conn.transaction(),
            ):
                result = self.add(state.schema, state.relation, state.definition, state.path, state.indexes)
        except Refused:
            self.versions, self.names, self.swaps = before.versions, before.names, before.swaps
            self.catalogue.relations, self.catalogue.states = known
            return [ON_OLD.format(state.relation)]
        return [state.relation] if result.action != "unchanged" else []

    # ---- what it reads and builds --------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[NodeSql]:
        """Everything to fill, in order."""
        return [sql for version in self.versions for sql in version.nodes]

    @property
    def outside(self) -> dict[str, Relation]:
        """The relations that the new versions read and that are not among them."""
        inside = {sql.node.name for sql in self.nodes}
        scans = [scan for sql in self.nodes for scan in (*sql.node.leaves, *sql.node.looked_up)]
        return {scan.relation.name: scan.relation for scan in scans if scan.relation.name not in inside}

    @property
    def followed(self) -> dict[str, Relation]:
        """Those among them whose changes change the new versions."""
        leaves = {scan.relation.name for sql in self.nodes for scan in sql.node.leaves}
        return {name: relation for name, relation in self.outside.items() if name in leaves}

    def indexes_outside(self) -> list[Index]:
        """The indexes that the new versions need on what is there already."""
        outside = self.outside
        return [index for sql in self.nodes for index in needed(sql.compiled) if index.relation in outside]

    def prepare_inputs(self, sql: NodeSql) -> None:
        """Make the indexes that a node needs on what was filled before it: filling looks the nearest row up by them."""
        outside = self.outside
        for index in needed(sql.compiled):
            if index.relation not in outside:
                make_index(self.conn, index)

    def finish(self, sql: NodeSql, rows: int) -> None:
        """Note that a node is filled; a model's own indexes come when it is."""
        self.rows[sql.node.name] = rows
        self.conn.execute(f"ANALYZE {table(sql.node.name)}".encode())
        for version in self.versions:
            if version.state.name == sql.node.name:
                for index in version.indexes:
                    make_index(self.conn, index, whole=True)

    # ---- publishing ----------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Let names stand for what was built, all at once; the caller's transaction has the turn."""
        for version in self.versions:
            store.note(self.conn, version.state.name, "summary", self.summary(version))
        for new in self.names.values():
            store.put_entry(self.conn, new)
        repoint_sinks(self.conn)
        feed.follow_names(self.conn)
        only_a_moment(self.conn)
        for swap in self.swaps:
            swap()
        store.raise_epoch(self.conn)

    def rehearse(self) -> None:
        """Publish and undo it, so that what PostgreSQL will refuse is refused before anything is built.

        Where a reader is in the way nothing is learnt, and that is no error.
        """
        try:
            with self.conn.transaction():
                only_a_moment(self.conn)
                for swap in self.swaps:
                    swap()
                raise psycopg.Rollback
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            pass

    def summary(self, version: Version) -> str:
        """One line about how a view is kept."""
        nodes = [sql.node for sql in version.nodes]
        rules = [node.rule.value for node in nodes]
        if any(node.udf is not None for node in nodes):
            rules[-1] += ", python"
        return f"incremental ({' + '.join(dict.fromkeys(rules))}; {self.rows[nodes[-1].name]:,} rows)"

    def outcome(self, deployed: Deployed) -> Deployed:
        """What was done: with how the view of that name is kept, and what was rebuilt with it."""
        asked = [v for v in self.versions if v.state.relation == deployed.name]
        detail = deployed.detail or (self.summary(asked[0]) if asked else "")
        return replace(deployed, detail=detail, rebuilt=tuple(self.rebuilt))
