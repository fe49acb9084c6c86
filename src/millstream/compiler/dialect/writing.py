"""Write nodes as they were read."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp
from sqlglot.generators.postgres import PostgresGenerator

from millstream.compiler.dialect.nodes import Infix, Prefix, Worded

APPLIED = (exp.Binary, exp.Predicate, exp.Cast, exp.Bracket, exp.AtTimeZone)
PLAIN = (exp.AnyValue, exp.Max, exp.Min, exp.Select)  # sqlglot would write these in other words


class SqlWriter(PostgresGenerator):
    """The generator."""

    TRANSFORMS: ClassVar = {
        **{node: how for node, how in PostgresGenerator.TRANSFORMS.items() if node not in PLAIN},
        exp.Array: lambda self, node: self.list_sql(node),
        exp.CurrentTime: lambda *_: "CURRENT_TIME",
        exp.Div: lambda self, node: self.binary(node, "/"),
        exp.JSONExtract: lambda self, node: self.binary(node, "->"),
        exp.JSONExtractScalar: lambda self, node: self.binary(node, "->>"),
        Infix: lambda self, node: self.infix_sql(node),
        Prefix: lambda self, node: self.prefix_sql(node),
        Worded: lambda self, node: self.worded_sql(node),
        exp.Pow: lambda self, node: self.binary(node, "^"),
    }

    def list_sql(self, node: exp.Array) -> str:
        """ARRAY(query), or ARRAY[values], of which the first may be a query in brackets."""
        first = node.expressions[0] if node.expressions else None
        inside = self.expressions(node, flat=True)
        if isinstance(first, exp.Query) and not isinstance(first, exp.Subquery):
            return f"ARRAY({inside})"
        return f"ARRAY[{inside}]"

    def infix_sql(self, node: Infix) -> str:
        """`left operator right`."""
        return f"{self.sql(node, 'this')} {node.args['operator']} {self.sql(node, 'expression')}"

    def prefix_sql(self, node: Prefix) -> str:
        """`operator operand`."""
        return f"{node.args['operator']} {self.sql(node, 'this')}"

    def worded_sql(self, node: Worded) -> str:
        """`name(word argument word argument)`."""
        parts = zip(node.args["words"].split("|"), node.expressions, strict=True)
        text = " ".join(f"{word} {self.sql(part)}".strip() for word, part in parts).replace(" , ", ", ")
        return f"{node.name}({text})"

    def not_sql(self, node: exp.Not) -> str:
        """NOT operand, in brackets where something applies to its result: `a NOT IN (1) = b` is read as a NOT within it."""
        text = f"NOT {self.sql(node, 'this')}"
        inside = isinstance(node.parent, APPLIED) and not isinstance(node.parent, exp.Connector)
        return f"({text})" if inside else text

    def interval_sql(self, node: exp.Interval) -> str:
        """INTERVAL 'text' [fields]."""
        unit = node.args.get("unit")
        return f"INTERVAL {self.sql(node, 'this')}" + (f" {self.sql(unit)}" if unit is not None else "")

    def datatype_sql(self, node: exp.DataType) -> str:
        """A type; INTERVAL(3) keeps its brackets, and a map has round ones."""
        if node.is_type(exp.DType.MAP):
            return f"MAP({self.expressions(node, flat=True)})"
        if node.is_type(exp.DType.INTERVAL) and node.expressions:
            return f"INTERVAL({self.expressions(node, flat=True)})"
        return super().datatype_sql(node)

    def cast_sql(self, node: exp.Cast, safe_prefix: str | None = None) -> str:
        """CAST(value AS type)."""
        return f"CAST({self.sql(node, 'this')} AS {self.sql(node, 'to')})"
