"""The type of an expression where its form tells it for certain; PostgreSQL decides all others when a view is built."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

Known = Mapping[str, str | None]  # attribute name → PostgreSQL's name of its type

INSTANTS = ("timestamp with time zone", "timestamp without time zone")
PREDICATES = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean)
TEXTS = (exp.Lower, exp.Upper, exp.MD5, exp.DPipe, exp.JSONExtractScalar, exp.JSONBExtractScalar)
SPELLED = {
    "VARCHAR": "character varying",
    "TEXT": "text",
    "INT": "integer",
    "SMALLINT": "smallint",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "DOUBLE": "double precision",
    "DATE": "date",
    "UUID": "uuid",
    "JSONB": "jsonb",
    "INTERVAL": "interval",
    "DECIMAL": "numeric",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMPTZ": "timestamp with time zone",
}


def infer(expression: exp.Expr, known: Known) -> str | None:
    """Return PostgreSQL's name of an expression's type, or None where the form alone does not tell."""
    while isinstance(expression, exp.Paren):
        expression = expression.this
    if isinstance(expression, exp.Column):
        return known.get(expression.name)
    if isinstance(expression, exp.Cast):
        return SPELLED.get(expression.to.this.name) if not expression.to.args.get("nested") else None
    if isinstance(expression, PREDICATES):
        return "boolean"
    if isinstance(expression, TEXTS):
        return "text"
    if isinstance(expression, exp.TimestampTrunc):
        inner = infer(expression.this, known)
        return "timestamp with time zone" if inner == "date" else inner if inner in INSTANTS else None
    if isinstance(expression, exp.DateBin):
        inner = infer(expression.expression, known)
        return inner if inner in INSTANTS else None
    if isinstance(expression, exp.Coalesce):
        found = {infer(part, known) for part in (expression.this, *expression.expressions)}
        return found.pop() if len(found) == 1 else None
    return None
