"""What a call is called."""

from __future__ import annotations

from sqlglot import exp


def function_name(node: exp.Expr) -> tuple[str | None, str] | None:
    """Return (schema, name) of a call that sqlglot does not know, schema-qualified or not."""
    if isinstance(node, exp.Dot):
        call = node.expression
        if not isinstance(call, exp.Anonymous):
            return None
        qualifier = node.this
        schema = qualifier.expression.name if isinstance(qualifier, exp.Dot) else qualifier.name
        return schema, call.name
    if isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Dot):
        return None, node.name
    return None
