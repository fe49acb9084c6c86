"""Bind scalar expressions: columns to attributes, and refuse what a view cannot compute."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.front.diagnostics import refuse
from millstream.front.scope import Context, Scope
from millstream.plan.expression import CLOCKS, column, transform

VOLATILE = {
    "random",
    "gen_random_uuid",
    "clock_timestamp",
    "timeofday",
    "nextval",
    "pg_sleep",
    "uuid_generate_v4",
}


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


def python_call(node: exp.Expr, context: Context) -> tuple[str, list[exp.Expr]] | None:
    """Return (name, arguments) where a node calls a registered Python function."""
    named = function_name(node)
    if named is None or not context.catalog.is_python(*named):
        return None
    call = node.expression if isinstance(node, exp.Dot) else node
    return named[1], list(call.expressions)


def bind(expression: exp.Expr, scope: Scope, clock: bool = False) -> exp.Expr:
    """Return a copy of an expression over attributes. `clock` admits now(), which the caller then places."""
    path = scope.context.path
    for node in expression.walk():
        if isinstance(node, CLOCKS) and not clock:
            raise refuse("MS014", expression, "outside a temporal filter", path)
        if isinstance(node, (exp.Subquery, exp.Exists)) or (
            isinstance(node, exp.In) and node.args.get("query")
        ):
            raise refuse("MS021", node, "an expression", path)
        named = function_name(node)
        if isinstance(node, (exp.Rand, exp.Uuid)) or (named and named[1].lower() in VOLATILE):
            raise refuse("MS013", node, named[1] + "()" if named else node.sql("postgres"), path)
        if python_call(node, scope.context) is not None:
            raise refuse("MS018", node, named[1] if named else "", path)
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise refuse("MS019", node, "", path)

    types: dict[str, str | None] = {}

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            attribute = scope.resolve(node)
            types[attribute.name] = attribute.type
            return column(attribute)
        return node

    root = exp.Paren(this=transform(expression, change))
    for cast in reversed(list(root.find_all(exp.Cast))):
        if is_text(cast.this, types) and not cast.to.is_type(*exp.DataType.TEXT_TYPES):
            cast.replace(lenient(cast))
    bound: exp.Expr = root.this
    return bound


TEXT = {"text", "character varying", "varchar"}


def is_text(expression: exp.Expr, types: Mapping[str, str | None]) -> bool:
    """Tell whether an expression is surely text, so that a cast of it can fail on a bad value."""
    while isinstance(expression, exp.Paren):
        expression = expression.this
    if isinstance(expression, exp.Column):
        return types.get(expression.name) in TEXT
    if isinstance(expression, exp.Cast):
        return bool(expression.to.is_type(*exp.DataType.TEXT_TYPES))
    return isinstance(
        expression, (exp.JSONExtractScalar, exp.JSONBExtractScalar, exp.Substring, exp.Trim, exp.SplitPart)
    )


def lenient(cast: exp.Cast) -> exp.Expr:
    """Write a cast of text that gives NULL for a bad value, as RisingWave's streams do."""
    target = exp.Literal.string(cast.to.sql("postgres"))
    valid = exp.Anonymous(this="pg_input_is_valid", expressions=[cast.this.copy(), target])
    return exp.Paren(this=exp.Case().when(valid, cast.copy()))


def type_of(expression: exp.Expr, known: Mapping[str, str | None]) -> str | None:
    """Return the type of an expression where its form alone tells it."""
    if isinstance(expression, exp.Column):
        return known.get(expression.name)
    if isinstance(expression, exp.Cast):
        return "text" if expression.to.is_type(*exp.DataType.TEXT_TYPES) else None
    return "text" if isinstance(expression, (exp.JSONExtractScalar, exp.JSONBExtractScalar)) else None
