"""Write what RisingWave has and PostgreSQL lacks: as functions that do the same, or as the engine's (engine/catalog/risingwave.sql).

`explicit` says what both engines read into an expression, before it is guarded; `respell` changes names, after that.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from millstream.compiler.dialect.nodes import Infix, called

SAME = {  # RisingWave's name → PostgreSQL's
    "array_contained": "arraycontained",
    "array_contains": "arraycontains",
    "array_is_intersect": "arrayoverlap",
    "array_is_overlap": "arrayoverlap",
    "array_join": "array_to_string",
    "array_overlaps": "arrayoverlap",
    **{name: f"millstream.{name}" for name in ("array_distinct", "array_max", "array_min", "array_sum")},
    "coth": "millstream.coth",
    "inet_aton": "millstream.try_inet_aton",  # unless it is guarded, and so tried already
    "inet_ntoa": "millstream.inet_ntoa",
    "jsonb_to_array": "millstream.jsonb_to_array",
}
COUNTED = ("array_length", "array_upper")  # of the first dimension where none is named
PATHS = ("jsonb_path_exists", "jsonb_path_match", "jsonb_path_query_array", "jsonb_path_query_first")


def explicit(tree: exp.Expr) -> exp.Expr:
    """Return a tree in which casts that both engines make by themselves are written out."""
    return tree.transform(made_explicit)


def made_explicit(node: exp.Expr) -> exp.Expr:
    """One node with the casts that it implies."""
    if has_computed_path(node):
        path = node.expression if isinstance(node, Infix) else node.expressions[1]
        path.replace(exp.Cast(this=path.copy(), to=exp.DataType.build("jsonpath", udt=True)))
        return node
    return element_by_element(node)


def has_computed_path(node: exp.Expr) -> bool:
    """Tell whether a node takes a path that is computed: a text in RisingWave, and a jsonpath in PostgreSQL."""
    if isinstance(node, Infix) and node.args["operator"] in ("@?", "@@"):
        paths = [node.expression]
    else:
        paths = node.expressions[1:2] if called(node) in PATHS else []
    return bool(paths) and not is_text(paths) and not is_jsonpath(paths[0])


def is_jsonpath(node: exp.Expr) -> bool:
    """Tell whether a node is a cast to jsonpath."""
    return isinstance(node, exp.Cast) and node.to.sql().lower() == "jsonpath"


def element_by_element(node: exp.Expr) -> exp.Expr:
    """ARRAY[a, b]::int[] is ARRAY[a::int, b::int] on both engines: one bad value makes one NULL."""
    if not isinstance(node, exp.Cast) or not node.to.is_type(exp.DType.ARRAY) or not node.to.expressions:
        return node
    if not isinstance(node.this, exp.Array) or not node.this.expressions:
        return node
    (inner,) = node.to.expressions
    elements = []
    for element in node.this.expressions:
        nested = isinstance(element, exp.Array) and not inner.is_type(exp.DType.ARRAY)
        elements.append(exp.Cast(this=element.copy(), to=(node.to if nested else inner).copy()))
    return exp.Array(expressions=elements)


def respell(tree: exp.Expr) -> exp.Expr:
    """Return a tree with RisingWave's calls in PostgreSQL's words; what PostgreSQL has stays as it is."""
    return tree.transform(respelled)


def is_respelled(node: exp.Expr) -> bool:
    """Tell whether PostgreSQL reads a node in other words."""
    return way_of(node) is not None or has_computed_path(node)


def respelled(node: exp.Expr) -> exp.Expr:
    """One node in PostgreSQL's words."""
    way = way_of(node)
    return way(node) if way is not None else node


def way_of(node: exp.Expr) -> Callable[[exp.Expr], exp.Expr] | None:
    """How a node is written otherwise; None where it is not."""
    name = called(node)
    if name in SAME:
        return renamed
    if name in COUNTED and len(node.expressions) == 1:
        return counted
    if name == "pg_typeof" and not isinstance(node.parent, exp.Cast):
        return as_text
    return exact_percentile if isinstance(node, exp.WithinGroup) and is_approximate(node) else None


def is_text(arguments: list[exp.Expr]) -> bool:
    """Tell whether an argument is a text literal, which takes the type that is wanted."""
    return bool(arguments) and isinstance(arguments[0], exp.Literal) and bool(arguments[0].is_string)


def is_approximate(node: exp.WithinGroup) -> bool:
    """Tell whether an ordered-set aggregate is approx_percentile."""
    return called(node.this) == "approx_percentile"


def renamed(node: exp.Expr) -> exp.Expr:
    """The same function under another name."""
    node.set("this", SAME[called(node)])
    return node


def counted(node: exp.Expr) -> exp.Expr:
    """array_length(x): of an empty array 0, as in RisingWave."""
    node.set("this", "millstream.array_length")
    return node


def as_text(node: exp.Expr) -> exp.Expr:
    """The name of a type is a text in RisingWave."""
    return exp.Cast(this=node, to=exp.DataType.build("text"))


def exact_percentile(node: exp.Expr) -> exp.Expr:
    """approx_percentile is exact here, as approx_count_distinct is."""
    call = exp.Anonymous(this="percentile_disc", expressions=node.this.expressions[:1])
    (term,) = node.expression.expressions
    value = term.this if isinstance(term, exp.Ordered) else term
    value.replace(exp.cast(value.copy(), exp.DType.DOUBLE))
    return exp.WithinGroup(this=call, expression=node.expression)
