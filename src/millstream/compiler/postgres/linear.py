"""The linear and the bilinear rule: the terms are the change, once they are added up.

    Δσ(a) = σ(Δa)    Δπ(a) = π(Δa)    Δ(a ⊎ b) = Δa ⊎ Δb    Δ(a ⋈ b) = Δa ⋈ b + a ⋈ Δb (+ Δa ⋈ Δb)

Both are differentiated alike (incremental/differentiate.py); a bilinear node has terms at several moments.
"""

from __future__ import annotations

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import Plan
from millstream.compiler.postgres.identity import image
from millstream.compiler.postgres.layout import clause, lines, nested, where
from millstream.compiler.postgres.names import changes, quote
from millstream.compiler.postgres.rewrite import Position
from millstream.compiler.postgres.statements import NodeSql, NodeStatements
from millstream.compiler.postgres.stored import hashed


class Linear(NodeSql):
    """Adds up the terms."""

    @property
    def differentiated(self) -> Plan:
        """The whole plan."""
        return self.node.plan

    def changed_columns(self) -> list[str]:
        """The stored columns, with weights."""
        return [f"s.{quote(a.name)} AS {quote(stored)}" for stored, a in self.node.outputs] + [f"s.{WEIGHT}"]

    def statements(self, position: Position) -> NodeStatements:
        """Terms, and their sum."""
        terms, source = self.all_terms(position)
        return NodeStatements(terms, self.derive(source), self.apply())

    def derive(self, source: str) -> str:
        """Add up the terms row by row; what cancels was no change."""
        columns = [f"s.{quote(name)}" for name in self.stored]
        fitting = where(self.fitting("s", dict(zip(self.stored, self.stored, strict=True))))
        return lines(
            f"INSERT INTO {changes(self.node.name)}",
            clause("SELECT", [*columns, hashed(columns), f"sum(s.{WEIGHT})::integer"]),
            f"FROM {nested(source)} AS s",
            fitting,
            clause("GROUP BY", image(self.typed, "s")),
            f"HAVING sum(s.{WEIGHT}) <> 0",
        )
