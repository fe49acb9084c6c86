"""The rule of acting on rows without a key: what a row gives is computed once, when it comes, and stays until one goes.

    Δ(Q(a)) = Q(a⁺ with the other inputs as they are) − the stored results of as many equal rows as went

Rows of a bag that are the same cannot be told apart, but what they gave can differ: each was looked up when it came. So a
result carries the hash of its row, and how many such rows had results before it (its turn). Of the same rows that go, those
whose results are oldest go first.
"""

from __future__ import annotations

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import Plan, Relation, Scan
from millstream.compiler.incremental.node import HASH, TURN
from millstream.compiler.postgres.identity import image, loose
from millstream.compiler.postgres.layout import clause, lines, listing, nested, union_all, where
from millstream.compiler.postgres.names import arguments, changes, quote, table
from millstream.compiler.postgres.python_calls import returned_rows
from millstream.compiler.postgres.render import Images, render
from millstream.compiler.postgres.rewrite import Position, as_of, udf_calls
from millstream.compiler.postgres.statements import NodeSql, NodeStatements


class OnActInTurns(NodeSql):
    """Computes what each coming row gives."""

    @property
    def differentiated(self) -> Scan:
        """The driver alone."""
        return self.node.leaves[0]

    @property
    def driver(self) -> Relation:
        """The relation whose rows the node acts on."""
        return self.differentiated.relation

    def changed_columns(self) -> list[str]:
        """Nothing: there are no terms."""
        return []

    def rows(self, plan: Plan) -> str:
        """A plan of the node over all rows of the driver, in turn."""
        stored = taking_turns(self.driver, f"{table(self.driver.name)} AS d", "0")
        return render(plan, self.in_place_of_the_driver(stored))

    def in_place_of_the_driver(self, rows: str) -> Images:
        """Read these rows wherever the node's plan reads its driver."""
        return {leaf.instance: rows for leaf in self.node.leaves}

    def statements(self, position: Position) -> NodeStatements:
        """What the rows that came give, around a Python call if there is one; what those that went had given."""
        node, udf = self.node, self.node.udf
        here, coming = position(node.name), self.in_place_of_the_driver(self.coming_rows())
        if udf is None:
            rows = render(as_of(node.plan, node, position, here), coming)
            return NodeStatements((), self.derive(rows), self.apply())
        arrived = render(as_of(udf.input, node, position, here), coming)
        inputs = [f"q.{quote(a.name)}" for a in udf.input.columns]
        prepare = lines(
            f"INSERT INTO {arguments(node.name)}",
            clause("SELECT", ["row_number() OVER ()", *inputs]),
            f"FROM {nested(arrived)} AS q",
        )
        return NodeStatements((), self.derive(returned_rows(node)), self.apply(), prepare, udf_calls(udf))

    def coming_rows(self) -> str:
        """The rows that came in this tick, as often as they did, in turn after those that have results."""
        mine, turn = map(quote, self.node.keys)
        came = lines(
            f"{changes(self.driver.name)} AS d",
            f"CROSS JOIN LATERAL generate_series(1, d.{WEIGHT}) AS g ({TURN})",
        )
        last = f"SELECT max(t.{turn}) FROM {table(self.node.name)} AS t WHERE t.{mine} = r.{HASH}"
        return taking_turns(self.driver, came, f"coalesce(({last}), 0)")

    def derive(self, rows: str) -> str:
        """The results of the rows that went, taken out, and those of the rows that came."""
        node, mine, turn = self.node, *map(quote, self.node.keys)
        stored = f"FROM {table(node.name)} AS t"
        of_the_row = f"t.{mine} = {row_hash(self.driver, 'd')}"
        oldest = lines(
            f"SELECT DISTINCT t.{turn}",
            stored,
            where([of_the_row]),
            f"ORDER BY t.{turn}",
            f"LIMIT -d.{WEIGHT}",
        )
        theirs = lines(
            "SELECT t.*", stored, where([of_the_row, f"t.{turn} = ANY (ARRAY{nested(oldest)})"]), "OFFSET 0"
        )
        going = lines(
            "SELECT t.*",
            f"FROM {changes(self.driver.name)} AS d",
            f"CROSS JOIN LATERAL {nested(theirs)} AS t",
            f"WHERE d.{WEIGHT} < 0",
        )
        coming = self.with_hidden(self.named(rows))
        columns = self.all_columns()
        same = [*columns, *image(self.typed, "s")[len(self.typed) :]]
        counted = (
            lines(
                clause("SELECT", [*columns, f"{sign}count(*)::integer AS {WEIGHT}"]),
                f"FROM {nested(each)} AS s",
                clause("GROUP BY", same),
            )
            for each, sign in ((going, "-"), (coming, ""))
        )
        return lines(f"INSERT INTO {changes(node.name)}", union_all(counted))


def row_hash(relation: Relation, row: str) -> str:
    """What the rows that are the same have in common: the hash of a bag is that of all that are equal."""
    columns = [(quote(name), type_) for name, type_, _ in relation.columns]
    if not loose(columns):
        return f"{row}.{HASH}"
    return f"hash_record_extended(ROW({listing(image(columns, row))}), 0)"


def taking_turns(relation: Relation, rows: str, before: str) -> str:
    """Rows of a relation with their hash, and each with its turn among the same rows, after `before` others."""
    columns = [quote(name) for name, _, _ in relation.columns]
    turn = f"{before} + row_number() OVER (PARTITION BY r.{HASH})"
    hashed = lines(clause("SELECT", [*columns, f"{row_hash(relation, 'd')} AS {HASH}"]), f"FROM {rows}")
    return nested(lines(f"SELECT r.*, {turn} AS {quote(TURN)}", f"FROM {nested(hashed)} AS r"))
