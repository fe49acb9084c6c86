"""Which calls are set-returning functions, and how an item of FROM names what they return."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.syntax.unread import refuse_unread

Returned = tuple[tuple[str, str | None], ...]  # (name, type) of what a function returns
# What the functions return that sqlglot has no class for; a column without a name is called as the function.
RETURNED: dict[str, Returned] = {
    "jsonb_array_elements": (("", "jsonb"),),
    "jsonb_array_elements_text": (("", "text"),),
    "jsonb_each": (("key", "text"), ("value", "jsonb")),
    "jsonb_each_text": (("key", "text"), ("value", "text")),
    "jsonb_object_keys": (("", "text"),),
    "regexp_matches": (("", "text[]"),),
    "generate_subscripts": (("", "integer"),),
}
OBJECTS = {
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
}  # RisingWave has the members in another order
KINDS = (exp.Unnest, exp.Explode, exp.GenerateSeries, exp.ExplodingGenerateSeries)


def is_set(node: exp.Expr) -> bool:
    """Tell whether a node calls a set-returning function that is maintained."""
    return isinstance(node, KINDS) or (isinstance(node, exp.Anonymous) and node.name.lower() in RETURNED)


@dataclass(frozen=True)
class Call:
    """Set-returning functions in FROM: their names for SQL, and what AS says."""

    functions: tuple[exp.Expr, ...]
    label: str  # the name of the table, and of its column if there is one
    labels: tuple[str, ...]
    ordinality: str | None


def function_in_from(item: exp.Expr) -> exp.Expr | None:
    """The call that an item of FROM is, with or without LATERAL."""
    if isinstance(item, exp.Unnest):
        return item
    if isinstance(item, (exp.Table, exp.Lateral)) and isinstance(item.this, exp.Expr) and is_set(item.this):
        return item.this
    return None


def read_call(item: exp.Expr, path: str | None) -> Call:
    """Read an item of FROM that calls a function, with its alias and WITH ORDINALITY."""
    function = function_in_from(item)
    assert function is not None
    if isinstance(function, exp.Unnest):
        refuse_unread(function, path)
    alias = function.args.get("alias") or item.args.get("alias")
    labels = [identifier.name for identifier in alias.columns] if alias is not None else []
    offset = function.args.get("offset") or item.args.get("ordinality") or item.args.get("offset")
    functions: tuple[exp.Expr, ...] = (function,)
    if isinstance(function, exp.Unnest):
        functions = tuple(exp.Unnest(expressions=[array]) for array in function.expressions)
    ordinality = "ordinality" if offset else None
    if isinstance(offset, exp.Identifier):
        labels.append(offset.name)  # sqlglot takes it off the list
    label = alias.name if alias is not None and alias.name else name_of(function)
    return Call(functions, label, tuple(labels), ordinality)


def name_of(function: exp.Expr) -> str:
    """The name of a function as PostgreSQL calls its column."""
    if isinstance(function, exp.Anonymous):
        return function.name.lower()
    return "unnest" if isinstance(function, (exp.Unnest, exp.Explode)) else "generate_series"
