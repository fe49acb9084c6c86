"""The type of an expression where its form tells it for certain; PostgreSQL decides all others when a view is built."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.compiler.dialect import called

Known = Mapping[str, str | None]  # attribute name → PostgreSQL's name of its type

INSTANTS = ("timestamp with time zone", "timestamp without time zone")
PREDICATES = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean)
TEXT_TYPES = ("text", "character varying")
TEXT_CALLS = (
    "lower",
    "upper",
    "md5",
    "trim",
    "btrim",
    "ltrim",
    "rtrim",
    "left",
    "right",
    "replace",
    "to_char",
    "concat",
)
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
    "FLOAT": "real",
    "TIME": "time without time zone",
    "BINARY": "bytea",
    "VARBINARY": "bytea",
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
    name = called(expression)
    if isinstance(expression, exp.JSONExtractScalar) or name in TEXT_CALLS:
        return "text"
    if isinstance(expression, exp.DPipe):
        sides = (expression.left, expression.right)
        return "text" if all(infer(side, known) in TEXT_TYPES or is_text(side) for side in sides) else None
    if name in ("date_trunc", "date_bin") and len(expression.expressions) > 1:
        inner = infer(expression.expressions[1], known)
        if name == "date_trunc" and inner == "date":
            return "timestamp with time zone"
        return inner if inner in INSTANTS else None
    if isinstance(expression, exp.Coalesce):
        found = {infer(part, known) for part in (expression.this, *expression.expressions)}
        return found.pop() if len(found) == 1 else None
    return None


def is_text(expression: exp.Expr) -> bool:
    """Tell whether an expression is a text as it stands."""
    return isinstance(expression, exp.Literal) and bool(expression.is_string)
