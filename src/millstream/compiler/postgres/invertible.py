"""The invertible rule: the counts and sums of an aggregation are stored, and what changed rows add is merged with them.

    γ(a + Δa) = γ(a) ⊕ γ(Δa)

where γ accumulates by group what accumulate.py says of each aggregate, with weights, and ⊕ adds accumulators. The values that
readers see are computed from the accumulators; a group of which no row is left goes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

from sqlglot import exp

from millstream.compiler.algebra.expression import WEIGHT, Attribute, column, references
from millstream.compiler.algebra.lineage import flatten, trace
from millstream.compiler.algebra.operators import Fit, Plan, Project
from millstream.compiler.incremental.node import GUARD, KEY_HASH, Node
from millstream.compiler.postgres.accumulate import IMAGES, ROWS, accumulate, types
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.fitting import limits, model_of
from millstream.compiler.postgres.identity import as_text, from_text
from millstream.compiler.postgres.in_place import PLACE, names_before, replacement, stored_row
from millstream.compiler.postgres.layout import clause, lines, listing, nested, where
from millstream.compiler.postgres.lenient import NUMBER
from millstream.compiler.postgres.names import changes, quote
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.rewrite import Position
from millstream.compiler.postgres.scalar import scalar
from millstream.compiler.postgres.statements import NodeSql, NodeStatements
from millstream.compiler.postgres.stored import hashed


class Invertible(NodeSql):
    """Merges accumulators."""

    def __init__(
        self,
        node: Node,
        describe: Describe,
        tries: Tries | None = None,
        indexes: Sequence[Sequence[str]] = (),
        outside: Collection[str] = (),
    ) -> None:
        super().__init__(node, describe, tries, indexes, outside)
        self.accumulation = accumulate(self.node.aggregate, *types(self.fast.aggregate, describe))

    @property
    def differentiated(self) -> Plan:
        """What the aggregation reads."""
        return self.node.aggregate.input

    @property
    def own_hidden(self) -> tuple[str, ...]:
        """The accumulators, and whether readers see the group."""
        extra = [a.column for a in self.accumulation.accumulators]
        extra += [IMAGES] if self.accumulation.loose else []
        extra += [GUARD] if self.node.filtered else []
        return tuple(extra)

    @cached_property
    def own_fits(self) -> tuple[Fit, ...]:
        """Groups are counted whole: only their keys can be too long for an index."""
        stored = map(quote, self.aggregated_keys())
        keys = dict(zip(stored, self.node.aggregate.keys, strict=True))
        return limits(
            [[name for name in columns if name in keys] for columns in self.indexes],
            {name: key.type or "" for name, key in keys.items()},
            model_of(self.node),
        )

    def aggregated_keys(self) -> list[str]:
        """The stored columns of an aggregation's keys, in their order."""
        node = self.node
        stored = {
            trace(node.plan, a.name, node.aggregate): name for name, a in node.outputs if name in node.keys
        }
        return [stored[key.name] for key in node.aggregate.keys]

    def changed_columns(self) -> list[str]:
        """What the aggregation reads of its input, with weights."""
        aggregate = self.node.aggregate
        read = {key.name for key in aggregate.keys}.union(*(references(e) for _, e in aggregate.items))
        return [f"s.{quote(a.name)}" for a in aggregate.input.columns if a.name in read] + [f"s.{WEIGHT}"]

    def statements(self, position: Position) -> NodeStatements:
        """Terms, and what they add to the groups."""
        terms, source = self.all_terms(position)
        return NodeStatements(terms, self.derive(source), self.apply())

    def result(self) -> str:
        """The SELECT of everything that the node stores: all rows accumulated, each once."""
        aggregate = self.node.aggregate
        ones = Project(
            aggregate.input,
            (
                *((a, column(a)) for a in aggregate.input.columns),
                (Attribute(WEIGHT, "integer", False), exp.Literal.number(1)),
            ),
        )
        return self.evaluate(self.grouped(render(ones)))

    def derive(self, source: str) -> str:
        """Old and new row of every group whose accumulators change."""
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
        hash_item = [f"{key_hash} AS {KEY_HASH}"] if self.has_key_hash else []
        accumulators = [quote(a.column) for a in self.accumulation.accumulators]
        before = names_before(self.all_columns())
        merged = [f"coalesce(m.{before[a]}, 0) + m.{a} AS {a}" for a in accumulators]
        rows = quote(ROWS)
        alive = f"coalesce(m.{before[rows]}, 0) + m.{rows} > 0" if keys else "true"
        changed = " OR ".join(f"s.{a} <> 0" for a in accumulators)
        if self.accumulation.loose:
            was = f"coalesce(m.{before[quote(IMAGES)]}, '{{}}')"
            merged.append(f"millstream.add_counts({was}, m.{IMAGES}) AS {IMAGES}")
            changed += f" OR s.{IMAGES} <> '{{}}'"
        items = [*(f"m.{quote(key)}" for key in keys), *merged, f"m.{PLACE}"]
        new = self.evaluate(lines(clause("SELECT", items), "FROM m", where([alive])), (PLACE,))
        changed_groups = lines(
            clause("SELECT", ["s.*", *hash_item]),
            f"FROM {nested(self.grouped(source))} AS s",
            where([changed]),
        )
        both = lines(
            "SELECT c.*, t.*",
            "FROM c",
            f"LEFT JOIN LATERAL {nested(stored_row(self, match_on))} AS t ON true",
        )
        return lines(
            f"INSERT INTO {changes(node.name)}",
            f"WITH c AS MATERIALIZED {nested(changed_groups)},",
            f"m AS MATERIALIZED {nested(both)}",
            replacement(self.all_columns(), alive, new),
        )

    def grouped(self, rows: str) -> str:
        """Accumulate weighted rows by group: the change of every accumulator, and of the rows that have each key."""
        accumulators, loose = self.accumulation.accumulators, self.accumulation.loose
        keys = [quote(key.name) for key in self.node.aggregate.keys]
        items = keys + [f"{a.change} AS {quote(a.column)}" for a in accumulators]
        group = clause("GROUP BY", keys) if keys else ""
        own = dict(zip(self.aggregated_keys(), (key.name for key in self.node.aggregate.keys), strict=True))
        kept = where(self.fitting("s", own))
        if kept:
            rows = lines("SELECT s.*", f"FROM {nested(rows)} AS s", kept)
        if self.accumulation.arguments:  # each computed once a row, not once a use
            computed = [f"{text} AS {name}" for name, text in self.accumulation.arguments]
            rows = lines(clause("SELECT", ["s.*", *computed]), f"FROM {nested(rows)} AS s", "OFFSET 0")
        source = f"FROM {nested(rows)} AS s"
        if not loose:
            return lines(clause("SELECT", items), source, group)
        text = as_text([(quote(name), type_) for name, type_ in loose])
        apart = lines(
            clause("SELECT", [*items, f"{text} AS _image"]), source, clause("GROUP BY", [*keys, text])
        )
        sums = [f"sum(s.{quote(a.column)})::{a.type} AS {quote(a.column)}" for a in accumulators]
        images = f"jsonb_object_agg(s._image, s.{ROWS}) FILTER (WHERE s.{ROWS} <> 0)"
        shown = f"coalesce({images}, '{{}}') AS {IMAGES}"
        return lines(clause("SELECT", [*keys, *sums, shown]), f"FROM {nested(apart)} AS s", group)

    def evaluate(self, accumulated: str, carried: tuple[str, ...] = ()) -> str:
        """Compute the stored columns from keys and accumulators; what is carried stays as it is."""
        aggregate, loose = self.node.aggregate, self.accumulation.loose
        accumulators = [quote(a.column) for a in self.accumulation.accumulators]
        values = [f"{self.value(*each)} AS {quote(each[0])}" for each in self.accumulation.values]
        keys = {key.name: quote(key.name) for key in aggregate.keys}
        if loose:
            accumulators.append(IMAGES)
            accumulated = lines(
                f"SELECT *, millstream.least_key({IMAGES}) AS _shown",
                f"FROM {nested(accumulated)} AS g",
                "OFFSET 0",
            )
            for number, (name, type_) in enumerate(loose, 1):
                keys[name] = f"{from_text('_shown', number, type_)} AS {quote(name)}"
        inner = lines(
            clause("SELECT", [*keys.values(), *values, *accumulators, *carried]),
            f"FROM {nested(accumulated)} AS g",
        )
        above, predicates = flatten(self.node.plan)
        items = [f"{scalar(above[a.name])} AS {quote(stored)}" for stored, a in self.node.outputs]
        guard = (
            [f"coalesce({' AND '.join(f'({scalar(p)})' for p in predicates)}, false) AS {GUARD}"]
            if predicates
            else []
        )
        stored = clause("SELECT", [*items, *accumulators, *guard, *carried])
        return self.with_hidden(lines(stored, f"FROM {nested(inner)} AS h"))

    def value(self, attribute: str, text: str, type_: str) -> str:
        """The value of an aggregate, from its accumulators; where it leaves the range of its type, the careful form has NULL."""
        read = {
            a.column: (a.type, a.column) for a in self.accumulation.accumulators if quote(a.column) in text
        }
        if self.tries is None or text in map(quote, read):
            return text
        written = NUMBER.sub("", attribute)
        return f"{self.tries.text(text, read, type_, written)}({listing([quote(name) for name in read])})"
