"""Bind scalar expressions: columns to attributes, and refuse what a view cannot compute."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS, column, transform
from millstream.compiler.algebra.fallible import note_model, note_text
from millstream.compiler.binder.scope import Context, Scope
from millstream.compiler.dialect import DIALECT, explicit, write
from millstream.compiler.syntax.calls import function_name
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA, display_name
from millstream.compiler.syntax.lacking import refuse_lacking
from millstream.compiler.syntax.structs import is_struct, spelled, unnamed_field
from millstream.compiler.syntax.uncertain import reads_clock, volatile
from millstream.diagnostics import refuse

# Functions that give many rows for one.
SETS = (exp.Unnest, exp.Explode, exp.GenerateSeries, exp.ExplodingGenerateSeries)
SET_NAMES = {
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
}
SET_NAMES |= {
    "json_array_elements",
    "json_each",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
}


def python_call(node: exp.Expr, context: Context) -> tuple[str, list[exp.Expr]] | None:
    """Return (name, arguments) where a node calls a registered Python function; the name as `display_name`."""
    named = function_name(node)
    if named is None or not context.catalog.is_python(*named):
        return None
    call = node.expression if isinstance(node, exp.Dot) else node
    return display_name(named[0] or DEFAULT_SCHEMA, named[1]), list(call.expressions)


def bind(expression: exp.Expr, scope: Scope, clock: bool = False) -> exp.Expr:
    """Return a copy of an expression over attributes. `clock` admits now(), which the caller then places."""
    path = scope.context.path
    for node in expression.walk():
        named = function_name(node)
        called = named[1].lower() if named else ""
        if reads_clock(node) and not (clock and isinstance(node, CLOCKS)):
            raise refuse("MS014", expression, "outside a temporal filter", path)
        if isinstance(node, (exp.Query, exp.Exists)):
            raise refuse("MS021", node, "an expression", path)
        if isinstance(node, SETS) or called in SET_NAMES:
            raise refuse("MS024", node, write(node), path)
        if isinstance(node, (exp.Parameter, exp.Placeholder)):
            raise refuse("MS010", expression, f"parameter {write(node)}", path)
        if (found := volatile(node)) is not None:
            raise refuse("MS013", node, found, path)
        if python_call(node, scope.context) is not None:
            raise refuse("MS018", node, named[1] if named else "", path)
        refuse_lacking(node, path)
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise refuse("MS019", node, "", path)

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.DataType) and is_struct(node):
            return composite(node, scope.context)
        if not isinstance(node, exp.Column):
            return node
        read = column(scope.resolve(node))
        read.meta.update(node.this.meta)  # its place in the file
        return read

    written = explicit(expression)
    note_text(written)
    bound = transform(written, change)
    note_model(bound, scope.context.model)
    return bound


def composite(kind: exp.DataType, context: Context) -> exp.DataType:
    """A struct, or an array of structs, as the type that PostgreSQL has for it."""
    if (part := unnamed_field(kind)) is not None:
        raise refuse("MS031", kind.parent or kind, write(part).lower(), context.path)
    return exp.DataType.build(spelled(kind, context.composites), dialect=DIALECT, udt=True)


def type_of(expression: exp.Expr, known: Mapping[str, str | None]) -> str | None:
    """Return the type of an expression where its form alone tells it."""
    if isinstance(expression, exp.Column):
        return known.get(expression.name)
    if isinstance(expression, exp.Cast):
        return "text" if expression.to.is_type(*exp.DataType.TEXT_TYPES) else None
    return "text" if isinstance(expression, exp.JSONExtractScalar) else None
