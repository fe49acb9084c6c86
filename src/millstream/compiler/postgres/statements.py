"""The statements of a tick for one node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from millstream.compiler.algebra.expression import WEIGHT, column, references
from millstream.compiler.algebra.first import first_rows
from millstream.compiler.algebra.lineage import replace_node, trace
from millstream.compiler.algebra.operators import (
    Join,
    Plan,
    Relation,
    Scan,
    TimeFilter,
    inputs,
    scans,
    walk,
    with_inputs,
)
from millstream.compiler.algebra.restrict import restrict, restrict_nullable
from millstream.compiler.incremental.differentiate import AFTER, Term, differentiate
from millstream.compiler.incremental.linearity import is_linear
from millstream.compiler.incremental.node import KEY_HASH, Rule
from millstream.compiler.incremental.occurrences import moment
from millstream.compiler.postgres import once
from millstream.compiler.postgres.accumulate import IMAGES, PLACE, ROWS
from millstream.compiler.postgres.identity import compared, from_text, image, is_strict, same
from millstream.compiler.postgres.names import (
    addends,
    arguments,
    changes,
    function,
    quote,
    results,
    string,
    table,
)
from millstream.compiler.postgres.render import listing, render, scalar, surplus
from millstream.compiler.postgres.rewrite import Position, as_of, udf_calls
from millstream.compiler.postgres.stored import StoredNode, hashed, where


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
    inputs' changes, where there is one leaf). `prepare` and `finish` stand in its place around a Python call:
    `prepare` fills the arguments table, the worker fills the results table.
    """

    terms: tuple[Statement, ...]
    derive: str
    apply: str
    prepare: str | None = None
    call: tuple[tuple[str, str], ...] = ()  # (function, SELECT list of its arguments) of each Python call
    prepare_by: ByKey | None = None
    derive_by: ByKey | None = None


class NodeSql(StoredNode):
    """Writes the statements that keep one node in a tick; `position` orders the relations of a tick."""

    # ---- session tables ------------------------------------------------------------------------------------------

    def temporary(self) -> list[str]:
        """Create the session tables of a tick: changes, and addends where terms come at different moments."""
        node = self.node
        made = [
            f"CREATE TEMPORARY TABLE {changes(node.name)} AS SELECT {listing(self.change_row())} "
            f"FROM {table(node.name)} LIMIT 0"
        ]
        if not self.inline:
            made.append(f"CREATE TEMPORARY TABLE {addends(node.name)} AS {self.addend_columns()} LIMIT 0")
        udf = node.udf
        if udf is not None:
            made.append(
                f"CREATE TEMPORARY TABLE {arguments(node.name)} AS SELECT 0::bigint AS _r, s.* FROM "
                f"({self.rows(udf.input)}) AS s LIMIT 0"
            )
            lookup = listing([f"k.{name}" for name in self.lookup_columns])
            made.append(
                f"CREATE TEMPORARY TABLE {arguments(node.name + '__keys')} AS SELECT {lookup} FROM "
                f"{table(node.name)} AS k LIMIT 0"
            )
            calls = [
                f"(SELECT {function(name)}({listing([scalar(x) for x in args])}) FROM ({self.rows(udf.input)}) AS s LIMIT 0)"
                f" AS {quote(a.name)}"
                for a, name, args in udf.calls
            ]
            made.append(
                f"CREATE TEMPORARY TABLE {results(node.name)} AS SELECT 0::bigint AS _r, {listing(calls)} LIMIT 0"
            )
            made.append(f"CREATE INDEX ON {results(node.name)} (_r)")
        return made

    def change_row(self) -> list[str]:
        """The columns of the changes table; where a key has one row, also where that is stored."""
        place = [f"NULL::tid AS {PLACE}"] if self.node.unique else []
        return [*self.all_columns(), *place, f"0 AS {WEIGHT}"]

    def session_tables(self) -> list[str]:
        """The session tables to clear after a tick."""
        node = self.node
        used = [changes(node.name)]
        if not self.inline:
            used.append(addends(node.name))
        if node.udf is not None:
            used += [arguments(node.name), arguments(node.name + "__keys"), results(node.name)]
        return used

    # ---- changes -------------------------------------------------------------------------------------------------

    @property
    def inline(self) -> bool:
        """Whether all terms can run at once when the node is derived, so that no addends need to be kept.

        They can where one leaf alone causes changes, and where they read nothing but changes: those stay for the tick.
        """
        if self.node.on_act:
            return True
        parts = list(walk(self.linear))
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

    @property
    def linear(self) -> Plan:
        """The plan whose exact change is needed: the node's plan, or what its lowest keyed operators read."""
        plan = self.node.plan
        if self.node.is_exact:
            return plan
        if self.node.on_act:
            (leaf,) = {scan.relation: scan for scan in self.node.leaves}.values()
            return leaf
        while not is_linear(plan):
            plan = plan.input  # type: ignore[union-attr]
        return plan

    def change_columns(self) -> str:
        """What the terms deliver of each changed row."""
        node = self.node
        if node.is_exact:
            return listing(
                [f"s.{quote(a.name)} AS {quote(stored)}" for stored, a in node.outputs] + [f"s.{WEIGHT}"]
            )
        if node.rule is Rule.INVERTIBLE:
            aggregate = node.aggregate
            read = {key.name for key in aggregate.keys}.union(*(references(e) for _, e in aggregate.items))
            return listing(
                [f"s.{quote(a.name)}" for a in aggregate.input.columns if a.name in read] + [f"s.{WEIGHT}"]
            )
        return listing([f"s.{quote(a)} AS {quote(key)}" for key, a in self.key_attributes()])

    def key_attributes(self) -> list[tuple[str, str]]:
        """The keys as attributes of the linear plan that keyed operators read."""
        node = self.node
        found = dict(node.outputs)
        if node.on_act:
            leaf = self.linear
            assert isinstance(leaf, Scan)
            by_stored = dict(zip(leaf.names, (a.name for a in leaf.columns), strict=True))
            return [
                (key, by_stored[stored]) for key, stored in zip(node.keys, leaf.relation.key, strict=True)
            ]
        return [(key, trace(node.plan, found[key].name, self.linear)) for key in node.keys]

    def addend_columns(self) -> str:
        """A SELECT with the columns of the addends table."""
        if self.node.computes_keys:
            rows = f"SELECT s.* FROM ({render(self.linear)}) AS s"
        else:
            rows = f"SELECT s.*, 0 AS {WEIGHT} FROM ({render(self.linear)}) AS s"
        return f"SELECT {self.change_columns() or '1 AS one'} FROM ({rows}) AS s"

    def term(self, term: Term) -> str:
        """Render one addend."""
        return f"SELECT {self.change_columns() or '1 AS one'} FROM ({render(term.plan)}) AS s"

    def statements(self, position: Position) -> NodeStatements:
        """The statements of a tick; `position` gives each relation's place in the tick's order."""
        node = self.node
        here = position(node.name)
        if node.takes_turns:
            return self.once(position, here)
        if self.inline:
            leaves = (self.linear,) if isinstance(self.linear, Scan) else node.leaves
            terms = [
                term
                for leaf in leaves
                for term in differentiate(self.placed(self.linear, position, leaf), leaf.instance, AFTER)
            ]
            source = " UNION ALL ".join(self.term(t) for t in terms)
            stored_terms: tuple[Statement, ...] = ()
        else:
            source = f"SELECT * FROM {addends(node.name)}"
            stored_terms = tuple(self.terms(position))
        if node.is_exact:
            derive = self.derive_linear(source)
        elif node.rule is Rule.INVERTIBLE:
            derive = self.derive_aggregate(source)
        elif node.udf is not None:
            return self.derive_udf(source, stored_terms, position, here)
        else:
            by_key = self.by_key(self.affected(source), self.recompute(position, here))
            derive = by_key.compute(by_key.keys)
            return NodeStatements(stored_terms, derive, self.apply(), derive_by=by_key)
        return NodeStatements(stored_terms, derive, self.apply())

    def from_all_keys(self) -> NodeStatements:
        """The statements that compute every key of a keyed node, from what its inputs hold."""
        source = self.addend_columns()
        if self.node.udf is not None:
            return self.derive_udf(source, (), lambda _: 0, 0)
        by_key = self.by_key(self.affected(source), self.recompute(lambda _: 0, 0))
        return NodeStatements((), by_key.compute(by_key.keys), self.apply(), derive_by=by_key)

    def terms(self, position: Position) -> list[Statement]:
        """The addends of a node with several leaves, each at its moment."""
        made = []
        for leaf in self.node.leaves:
            when = moment(self.linear, leaf.instance)
            for term in differentiate(self.placed(self.linear, position, leaf), leaf.instance, when):
                sql = f"INSERT INTO {addends(self.node.name)} {self.term(self.seen(term, leaf, position))}"
                made.append(Statement(sql, leaf.relation.name, term.moment))
        return made

    def seen(self, term: Term, changing: Scan, position: Position) -> Term:
        """A term over the images that it must read: in a tick those are what is stored at its moment."""
        return term

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

    def derive_linear(self, source: str) -> str:
        """Add up the terms row by row; what cancels was no change."""
        columns = [f"s.{quote(name)}" for name in self.stored]
        row_hash = hashed(columns)
        return (
            f"INSERT INTO {changes(self.node.name)} SELECT {listing([*columns, row_hash])}, sum(s.{WEIGHT})::integer "
            f"FROM ({source}) AS s{where(self.fitting('s', dict(zip(self.stored, self.stored, strict=True))))} "
            f"GROUP BY {listing(image(self.typed, 's'))} HAVING sum(s.{WEIGHT}) <> 0"
        )

    def derive_aggregate(self, source: str) -> str:
        """Old and new row of every group whose accumulators change."""
        assert self.accumulation is not None
        node = self.node
        keys = [key.name for key in node.aggregate.keys]
        outputs = {
            trace(node.plan, a.name, node.aggregate): stored
            for stored, a in node.outputs
            if stored in node.keys
        }
        match_on = (
            f"t.{KEY_HASH} = c.{KEY_HASH}"
            if self.has_key_hash
            else " AND ".join(f"t.{quote(outputs[key])} = c.{quote(key)}" for key in keys)
        )
        if self.has_key_hash and keys:
            match_on += "".join(
                f" AND t.{quote(outputs[key])} IS NOT DISTINCT FROM c.{quote(key)}" for key in keys
            )
        key_hash = hashed([quote(key) for key in keys]) if keys else "0::bigint"
        hash_item = f", {key_hash} AS {KEY_HASH}" if self.has_key_hash else ""
        accumulators = [quote(a.column) for a in self.accumulation.accumulators]
        before = self.before()
        merged = [f"coalesce(m.{before[a]}, 0) + m.{a} AS {a}" for a in accumulators]
        rows = quote(ROWS)
        alive = f"coalesce(m.{before[rows]}, 0) + m.{rows} > 0" if keys else "true"
        changed = " OR ".join(f"s.{a} <> 0" for a in accumulators)
        if self.accumulation.loose:
            was = f"coalesce(m.{before[quote(IMAGES)]}, '{{}}')"
            merged.append(f"millstream.add_counts({was}, m.{IMAGES}) AS {IMAGES}")
            changed += f" OR s.{IMAGES} <> '{{}}'"
        new = self.evaluate(
            f"SELECT {listing([f'm.{quote(key)}' for key in keys] + merged)}, m.{PLACE} FROM m WHERE {alive}",
            (PLACE,),
        )
        return (
            f"INSERT INTO {changes(node.name)} WITH c AS MATERIALIZED (SELECT s.*{hash_item} FROM "
            f"({self.grouped(source)}) AS s WHERE {changed}), "
            f"m AS MATERIALIZED (SELECT c.*, t.* FROM c LEFT JOIN LATERAL ({self.stored_row(match_on)}) AS t ON true) "
            f"{self.replacement(alive, new)}"
        )

    def before(self) -> dict[str, str]:
        """What the columns of a stored row are called beside those of the row that replaces it."""
        return {name: f"_b{number}" for number, name in enumerate(self.all_columns())}

    def stored_row(self, match_on: str) -> str:
        """The row `t` of a key, and its place."""
        columns = [f"t.{name} AS {before}" for name, before in self.before().items()]
        return f"SELECT {listing(columns)}, t.ctid AS {PLACE} FROM {table(self.node.name)} AS t WHERE {match_on} LIMIT 1"

    def replacement(self, alive: str, new: str) -> str:
        """The stored rows of `m`, removed, and the `new` ones, added.

        A new row has the place of the old one, which it replaces; an old row has its place where none replaces it.
        """
        old = listing([f"m.{before}" for before in self.before().values()])
        return (
            f"SELECT {old}, CASE WHEN NOT ({alive}) THEN m.{PLACE} END, -1 FROM m WHERE m.{PLACE} IS NOT NULL "
            f"UNION ALL SELECT {listing(self.all_columns())}, s.{PLACE}, 1 FROM ({new}) AS s"
        )

    def affected(self, source: str) -> str:
        """The affected keys, and in the careful form those that were set aside and are to be tried again."""
        if self.tries is not None:
            types = dict(self.typed)
            keys = enumerate(self.node.keys, 1)
            items = [f"{from_text('a.key', n, types[quote(key)])} AS {quote(key)}" for n, key in keys]
            again = f"FROM millstream.dead_key AS a WHERE a.node = {string(self.node.name)} AND a.again"
            source = f"{source} UNION ALL SELECT {listing(items) or '1'} {again}"
        return f"SELECT DISTINCT {listing(self.key_columns())} FROM ({source}) AS s"

    def by_key(self, keys: str, rows: str) -> ByKey:
        """The comparison of computed rows with the stored ones, for keys."""
        none = f"SELECT * FROM ({rows}) AS n WHERE false"
        return ByKey(
            keys, lambda some: self.derive_keyed(some, rows), lambda some: self.derive_keyed(some, none)
        )

    def key_columns(self) -> list[str]:
        """The affected keys as columns, with their hash where lookups need it."""
        columns = [f"s.{quote(key)}" for key in self.node.keys]
        if self.has_key_hash:
            columns.append(f"{self.key_hash('s.')} AS {KEY_HASH}")
        return columns

    def recompute(self, position: Position, here: int) -> str:
        """The node's rows for the keys of a row `k`, from the inputs as they are now."""
        plan = self.node.plan if self.node.udf is None else self.node.udf.input
        plan = as_of(plan, self.node, position, here)
        found = dict(self.node.outputs)
        keys = {}
        for key in self.node.keys:
            name = (
                found[key].name
                if self.node.udf is None
                else trace(self.node.plan, found[key].name, self.node.udf)
            )
            keys[name] = column(key, "k")
        if self.node.nullable_key:
            return f"{render(first_rows(restrict_nullable(plan, keys, column(KEY_HASH, 'k'))))} OFFSET 0"
        return f"{render(first_rows(restrict(plan, keys)))} OFFSET 0"

    def derive_keyed(self, keys: str, rows: str) -> str:
        """Compute the affected keys again; what differs from the stored rows is the change."""
        node = self.node
        kept = where(self.fitting("f", {stored: a.name for stored, a in node.outputs}))
        if kept:
            rows = f"SELECT f.* FROM ({rows}) AS f{kept} OFFSET 0"
        if node.unique:
            return self.derive_row(keys, rows)
        stored = [quote(name) for name in self.stored]
        match_on = self.same(self.lookup, "t", "k")
        fresh = self.with_hidden(surplus("new", "old", self.typed))
        gone = self.with_hidden(surplus("old", "new", self.typed))
        columns = listing(self.all_columns())
        return (
            f"INSERT INTO {changes(node.name)} WITH k AS MATERIALIZED ({keys}), "
            f"new AS MATERIALIZED (SELECT {listing([f'q.{quote(a.name)} AS {quote(s)}' for s, a in node.outputs])} "
            f"FROM k CROSS JOIN LATERAL ({rows}) AS q), "
            f"old AS MATERIALIZED (SELECT {listing([f't.{s}' for s in stored])} FROM k "
            f"CROSS JOIN LATERAL (SELECT * FROM {table(node.name)} AS t WHERE {match_on} OFFSET 0) AS t) "
            f"SELECT {columns}, -{WEIGHT} FROM ({gone}) AS s UNION ALL SELECT {columns}, {WEIGHT} FROM ({fresh}) AS s"
        )

    def derive_row(self, keys: str, rows: str) -> str:
        """Compute the one row of each affected key again, and compare it with the stored one."""
        node = self.node
        before = self.before()
        computed = listing([quote(name) for name in dict.fromkeys(a.name for _, a in node.outputs)])
        types = [type_ for _, type_ in self.typed]
        is_row = image([(quote(a.name), t) for (_, a), t in zip(node.outputs, types, strict=True)], "n")
        was_row = image([(before[name], type_) for name, type_ in self.typed], "t")
        differs = compared(
            "IS DISTINCT FROM", ["n._new IS NULL", *is_row], [f"t.{PLACE} IS NULL", *was_row], "false"
        )
        new = listing([f"m.{quote(a.name)} AS {quote(stored)}" for stored, a in node.outputs])
        return (
            f"INSERT INTO {changes(node.name)} WITH k AS MATERIALIZED ({keys}), "
            f"m AS MATERIALIZED (SELECT n.*, t.* FROM k "
            f"LEFT JOIN LATERAL (SELECT {computed}, true AS _new FROM ({rows}) AS q) AS n ON true "
            f"LEFT JOIN LATERAL ({self.stored_row(self.same(self.lookup, 't', 'k'))}) AS t ON true "
            f"WHERE {differs}) "
            + self.replacement(
                "m._new IS NOT NULL", self.with_hidden(f"SELECT {new}, m.{PLACE} FROM m WHERE m._new")
            )
        )

    def derive_udf(
        self, source: str, terms: tuple[Statement, ...], position: Position, here: int
    ) -> NodeStatements:
        """Around a Python call: keys and arguments before it, the comparison with the stored rows after it."""
        node, udf = self.node, self.node.udf
        assert udf is not None
        keys_table = arguments(node.name + "__keys")
        inputs = listing([f"q.{quote(a.name)}" for a in udf.input.columns])
        waiting = f"SELECT coalesce(max(_r), 0) FROM {arguments(node.name)}"

        def prepare(keys: str) -> str:
            return (
                f"WITH k AS (INSERT INTO {keys_table} {keys} RETURNING *) INSERT INTO {arguments(node.name)} "
                f"SELECT ({waiting}) + row_number() OVER (), {inputs} FROM k "
                f"CROSS JOIN LATERAL ({self.recompute(position, here)}) AS q"
            )

        found = dict(node.outputs)
        keyed = " AND ".join(
            f"{quote(found[key].name)} IS NOT DISTINCT FROM k.{quote(key)}" for key in node.keys
        )
        rows = f"SELECT * FROM ({render(self.after_udf(), {-1: self.called()})}) AS p WHERE {keyed} OFFSET 0"
        before = ByKey(self.affected(source), prepare, lambda keys: f"INSERT INTO {keys_table} {keys}")
        after = self.by_key(f"SELECT * FROM {keys_table}", rows)
        return NodeStatements(
            terms,
            after.compute(after.keys),
            self.apply(),
            prepare(before.keys),
            udf_calls(udf),
            before,
            after,
        )

    def once(self, position: Position, here: int) -> NodeStatements:
        """What the rows that came give, around a Python call if there is one; what those that went had given."""
        node, udf = self.node, self.node.udf
        coming = once.images(node, once.coming_rows(node))
        if udf is None:
            rows = render(as_of(node.plan, node, position, here), coming)
            return NodeStatements((), self.derive_once(rows), self.apply())
        arrived = render(as_of(udf.input, node, position, here), coming)
        inputs = listing([f"q.{quote(a.name)}" for a in udf.input.columns])
        prepare = (
            f"INSERT INTO {arguments(node.name)} SELECT row_number() OVER (), {inputs} FROM ({arrived}) AS q"
        )
        rows = render(self.after_udf(), {-1: self.called()})
        return NodeStatements((), self.derive_once(rows), self.apply(), prepare, udf_calls(udf))

    def derive_once(self, rows: str) -> str:
        """The changes of a node whose results are computed once."""
        return once.derive(self.node, self.typed, self.all_columns(), self.with_hidden(self.named(rows)))

    def called(self) -> str:
        """The arguments whose Python calls have returned, with the results."""
        name = self.node.name
        return f"(SELECT * FROM {arguments(name)} JOIN {results(name)} USING (_r))"

    def after_udf(self) -> Plan:
        """The part of the plan above the Python calls, reading arguments and results."""
        udf = self.node.udf
        assert udf is not None
        relation = Relation(
            f"({self.node.name} with results)", tuple((a.name, a.type or "", a.nullable) for a in udf.columns)
        )
        source = Scan(relation, udf.columns, -1, tuple(a.name for a in udf.columns))
        return replace_node(self.node.plan, udf, source)

    def apply(self) -> str:
        """Take the removed rows out of the table and put the added ones in."""
        node = self.node
        if node.unique:
            return self.apply_in_place()
        columns = listing(self.all_columns())
        match_on = f"{self.same(self.identity, 't', 'd')} AND {same(self.typed, 't', 'd')}"
        gone = (
            f"DELETE FROM {table(node.name)} WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM {changes(node.name)} AS d "
            f"CROSS JOIN LATERAL (SELECT t.ctid FROM {table(node.name)} AS t WHERE {match_on} LIMIT -d.{WEIGHT}) AS t "
            f"WHERE d.{WEIGHT} < 0))"
        )
        added = (
            f"SELECT d.*, generate_series(1, d.{WEIGHT}) FROM {changes(node.name)} AS d WHERE d.{WEIGHT} > 0"
        )
        return f"WITH gone AS ({gone}) INSERT INTO {table(node.name)} ({columns}) SELECT {columns} FROM ({added}) AS d"

    def apply_in_place(self) -> str:
        """Write new rows over the old ones, whose places the changes know; a key only where it may have changed."""
        node = self.node
        stored, changed = table(node.name), changes(node.name)
        columns = self.all_columns()
        keys = {quote(key) for key in node.keys}
        written = [name for name in columns if name not in keys]
        written += [name for name, type_ in self.typed if name in keys and not is_strict(type_)]
        moved = (
            f"moved AS (UPDATE {stored} AS t SET {listing([f'{name} = d.{name}' for name in written])} "
            f"FROM {changed} AS d WHERE t.ctid = d.{PLACE} AND d.{WEIGHT} > 0) "
        )
        return (
            f"WITH gone AS (DELETE FROM {stored} WHERE ctid = ANY (ARRAY(SELECT d.{PLACE} FROM {changed} AS d "
            f"WHERE d.{WEIGHT} < 0 AND d.{PLACE} IS NOT NULL))){', ' + moved if written else ' '}"
            f"INSERT INTO {stored} ({listing(columns)}) SELECT {listing([f'd.{name}' for name in columns])} "
            f"FROM {changed} AS d WHERE d.{WEIGHT} > 0 AND d.{PLACE} IS NULL"
        )
