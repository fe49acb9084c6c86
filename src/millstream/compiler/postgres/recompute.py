"""The rule of recomputing: the affected keys are computed again, and what differs from the stored rows is the change.

    K = the keys in the change below    Δ = Q(the new input of K) − the stored rows of K

Each key is computed by a lateral subquery, over its inputs restricted to it. What is differentiated is only what the lowest
keyed operator reads, to know the keys.
"""

from __future__ import annotations

from millstream.compiler.algebra.expression import OWN, WEIGHT, column
from millstream.compiler.algebra.first import first_rows
from millstream.compiler.algebra.lineage import trace
from millstream.compiler.algebra.operators import Plan
from millstream.compiler.algebra.restrict import restrict, restrict_nullable
from millstream.compiler.incremental.node import KEY_HASH
from millstream.compiler.incremental.shapes import is_exact
from millstream.compiler.postgres.identity import Columns, compared, from_text, image, loose, mark
from millstream.compiler.postgres.in_place import PLACE, names_before, replacement, stored_row
from millstream.compiler.postgres.layout import clause, lines, nested, union_all, where
from millstream.compiler.postgres.names import changes, quote, string, table
from millstream.compiler.postgres.render import render
from millstream.compiler.postgres.rewrite import Position, as_of
from millstream.compiler.postgres.statements import ByKey, NodeSql, NodeStatements, Statement


class Recompute(NodeSql):
    """Computes the affected keys again."""

    @property
    def differentiated(self) -> Plan:
        """What the lowest keyed operators read."""
        plan = self.node.plan
        while not is_exact(plan):
            plan = plan.input  # type: ignore[union-attr]
        return plan

    @property
    def computed(self) -> Plan:
        """The plan that is computed for a key."""
        return self.node.plan

    def changed_columns(self) -> list[str]:
        """The keys."""
        return [f"s.{quote(a)} AS {quote(key)}" for key, a in self.key_attributes()]

    def key_attributes(self) -> list[tuple[str, str]]:
        """(stored key, attribute of the differentiated plan) of each key."""
        found = dict(self.node.outputs)
        return [(key, trace(self.node.plan, found[key].name, self.differentiated)) for key in self.node.keys]

    def statements(self, position: Position) -> NodeStatements:
        """Terms that tell the keys, and the comparison of their rows."""
        terms, source = self.all_terms(position)
        return self.compare_keys(source, terms, position)

    def for_keys(self, source: str) -> NodeStatements:
        """The comparison for the keys of a SELECT."""
        return self.compare_keys(source, (), lambda _: 0)

    def compare_keys(self, source: str, terms: tuple[Statement, ...], position: Position) -> NodeStatements:
        """Compute the keys in `source`, and compare."""
        by_key = self.by_key(self.affected(source), self.rows_of_key(position))
        return NodeStatements(terms, by_key.compute(by_key.keys), self.apply(), derive_by=by_key)

    def affected(self, source: str) -> str:
        """The affected keys, and in the careful form those that were set aside and are to be tried again."""
        if self.tries is not None:
            types = dict(self.typed)
            keys = enumerate(self.node.keys, 1)
            items = [f"{from_text('a.key', n, types[quote(key)])} AS {quote(key)}" for n, key in keys]
            again = lines(
                clause("SELECT", items or ["1"]),
                "FROM millstream.dead_key AS a",
                f"WHERE a.node = {string(self.node.name)} AND a.again",
            )
            source = union_all([source, again])
        columns = [f"s.{quote(key)}" for key in self.node.keys]
        if self.has_key_hash:
            columns.append(f"{self.key_hash('s.')} AS {KEY_HASH}")
        return lines(clause("SELECT DISTINCT", columns), f"FROM {nested(source)} AS s")

    def rows_of_key(self, position: Position) -> str:
        """The rows for the key of a row `k`, from the inputs as they are now."""
        node = self.node
        plan = as_of(self.computed, node, position, position(node.name))
        found = dict(node.outputs)
        keys = {trace(node.plan, found[key].name, self.computed): column(key, "k") for key in node.keys}
        if node.nullable_key:
            plan = restrict_nullable(plan, keys, column(KEY_HASH, "k"))
        else:
            plan = restrict(plan, keys)
        return lines(render(first_rows(plan)), "OFFSET 0")

    def by_key(self, keys: str, rows: str) -> ByKey:
        """The comparison of computed rows with the stored ones, for keys."""
        none = lines("SELECT *", f"FROM {nested(rows)} AS n", "WHERE false")
        return ByKey(keys, lambda some: self.derive(some, rows), lambda some: self.derive(some, none))

    def derive(self, keys: str, rows: str) -> str:
        """Compute keys again; what differs from the stored rows is the change."""
        kept = where(self.fitting("f", {stored: a.name for stored, a in self.node.outputs}))
        if kept:
            rows = lines("SELECT f.*", f"FROM {nested(rows)} AS f", kept, "OFFSET 0")
        return self.derive_row(keys, rows) if self.node.unique else self.derive_rows(keys, rows)

    def derive_rows(self, keys: str, rows: str) -> str:
        """Compute the rows of each key again, and compare how often each is there."""
        node = self.node
        computed = [f"q.{quote(a.name)} AS {quote(stored)}" for stored, a in node.outputs]
        match_on = self.same(self.lookup, "t", "k")
        kept = lines("SELECT *", f"FROM {table(node.name)} AS t", where([match_on]), "OFFSET 0")
        new = lines(clause("SELECT", computed), "FROM k", f"CROSS JOIN LATERAL {nested(rows)} AS q")
        old = lines(
            clause("SELECT", [f"t.{quote(name)}" for name in self.stored]),
            "FROM k",
            f"CROSS JOIN LATERAL {nested(kept)} AS t",
        )
        gone = self.with_hidden(surplus("old", "new", self.typed))
        fresh = self.with_hidden(surplus("new", "old", self.typed))
        columns = self.all_columns()
        return lines(
            f"INSERT INTO {changes(node.name)}",
            f"WITH k AS MATERIALIZED {nested(keys)},",
            f"new AS MATERIALIZED {nested(new)},",
            f"old AS MATERIALIZED {nested(old)}",
            union_all(
                lines(clause("SELECT", [*columns, weight]), f"FROM {nested(each)} AS s")
                for each, weight in ((gone, f"-{WEIGHT}"), (fresh, WEIGHT))
            ),
        )

    def derive_row(self, keys: str, rows: str) -> str:
        """Compute the one row of each key again, and compare it with the stored one."""
        node = self.node
        before = names_before(self.all_columns())
        computed = [quote(name) for name in dict.fromkeys(a.name for _, a in node.outputs)]
        types = [type_ for _, type_ in self.typed]
        is_row = image([(quote(a.name), t) for (_, a), t in zip(node.outputs, types, strict=True)], "n")
        was_row = image([(before[name], type_) for name, type_ in self.typed], "t")
        differs = compared(
            "IS DISTINCT FROM", ["n._new IS NULL", *is_row], [f"t.{PLACE} IS NULL", *was_row], "false"
        )
        fresh = lines(clause("SELECT", [*computed, "true AS _new"]), f"FROM {nested(rows)} AS q")
        kept = stored_row(self, self.same(self.lookup, "t", "k"))
        both = lines(
            "SELECT n.*, t.*",
            "FROM k",
            f"LEFT JOIN LATERAL {nested(fresh)} AS n ON true",
            f"LEFT JOIN LATERAL {nested(kept)} AS t ON true",
            where([differs]),
        )
        items = [f"m.{quote(a.name)} AS {quote(stored)}" for stored, a in node.outputs]
        new = self.with_hidden(lines(clause("SELECT", [*items, f"m.{PLACE}"]), "FROM m", "WHERE m._new"))
        return lines(
            f"INSERT INTO {changes(node.name)}",
            f"WITH k AS MATERIALIZED {nested(keys)},",
            f"m AS MATERIALIZED {nested(both)}",
            replacement(self.all_columns(), "m._new IS NOT NULL", new),
        )


def surplus(rows: str, others: str, columns: Columns) -> str:
    """The rows that one set has more often than another, each once, with how often as its weight."""
    names = [name for name, _ in columns]
    marks = {f"mark{number}{OWN}": mark(*each) for number, each in enumerate(loose(columns), 1)}
    items = clause("SELECT", [*names, *(f"{text} AS {name}" for name, text in marks.items())])
    more = lines(items, f"FROM {rows}", "EXCEPT ALL", items, f"FROM {others}")
    return lines(
        clause("SELECT", [*names, f"count(*)::integer AS {WEIGHT}"]),
        f"FROM {nested(more)} AS e",
        clause("GROUP BY", [*names, *marks]),
    )
