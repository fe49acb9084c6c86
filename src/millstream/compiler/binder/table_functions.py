"""Bind set-returning functions: in FROM, over the rows left of them, and in the SELECT list, where they go in step."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, references
from millstream.compiler.algebra.fallible import MODEL, WRITTEN
from millstream.compiler.algebra.operators import ONE_ROW, Filter, Join, Lateral, Plan, Unnest, names
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Columns, Scope, introduced
from millstream.compiler.dialect import write
from millstream.compiler.syntax.aggregate_calls import is_aggregate
from millstream.compiler.syntax.from_items import Name
from millstream.compiler.syntax.set_calls import RETURNED, Call, Returned, is_set, name_of, read_call
from millstream.compiler.syntax.types import SPELLED, infer
from millstream.diagnostics import refuse

NUMBERS = ("integer", "bigint", "numeric")
SCALARS = {*SPELLED.values(), "real", "bytea", "time without time zone"}
CONDITIONAL = (exp.Case, exp.If, exp.Coalesce)  # where SQL computes an operand only if it has to


def bind_in_from(
    item: exp.Expr, plan: Plan, scope: Scope, *, outer: bool = False, on: exp.Expr | None = None
) -> Plan:
    """Bind a function in FROM over the rows left of it. `outer` keeps the rows of which it makes none (that meet `on`)."""
    path = scope.context.path
    call = read_call(item, path)
    bound = tuple(bound_call(function, scope) for function in call.functions)
    types = {a.name: a.type for a in plan.columns}
    returned = [of_function(function, types) for function in bound]
    width = len(call.labels) - (call.ordinality is not None)
    if len(returned) == 1 and isinstance(bound[0], exp.Unnest) and returned[0][0][1] not in SCALARS:
        returned = [(("", None),) * max(width, 1)]  # the fields, if it is a list of structs
    elements, columns = named_columns(call, returned, outer, item, scope)
    ordinality = None
    if call.ordinality is not None:
        label = call.labels[len(columns)] if len(call.labels) > len(columns) else call.ordinality
        ordinality = Attribute(scope.context.names.fresh(label), "bigint", outer)
        columns.append((label, ordinality))
    read = frozenset[str]().union(*(references(function) for function in bound))
    scope.add(Name(call.label), columns, item)
    if outer and on is not None:
        rows = Filter(Unnest(ONE_ROW, bound, elements, ordinality), bind(on, scope))
        return Lateral(plan, rows, outer=True)
    if (
        read and not read & names(plan) and plan != ONE_ROW and not outer
    ):  # it reads the query around it alone
        return Join(plan, Unnest(ONE_ROW, bound, elements, ordinality), "inner", None)
    return Unnest(plan, bound, elements, ordinality, outer)


def named_columns(
    call: Call, returned: list[Returned], outer: bool, item: exp.Expr, scope: Scope
) -> tuple[tuple[tuple[Attribute, ...], ...], Columns]:
    """Make the columns of the functions, and find what they are called."""
    path = scope.context.path
    width = sum(len(each) for each in returned)
    if len(call.labels) > width + (call.ordinality is not None):
        raise refuse("MS025", item, f"{len(call.labels)} names for {name_of(call.functions[0])}", path)
    if width > 1 and not all(name for each in returned for name, _ in each) and len(call.labels) < width:
        raise refuse("MS010", item, "unnest without a name for every column", path)
    columns: Columns = []
    elements = []
    certain = len(returned) == 1 and not outer  # else it is filled with NULLs
    for number, each in enumerate(returned):
        made = []
        for name, type_ in each:
            position = len(columns)
            label = call.labels[position] if position < len(call.labels) else name or call.label
            nullable = not (certain and never_null(call.functions[number], name))
            made.append(Attribute(scope.context.names.fresh(label), type_, nullable))
            columns.append((label, made[-1]))
        elements.append(tuple(made))
    return tuple(elements), columns


def never_null(function: exp.Expr, label: str) -> bool:
    """Tell whether no row of a function has NULL in a column."""
    if isinstance(function, (exp.Unnest, exp.Explode)):
        return False
    return name_of(function) not in ("jsonb_array_elements_text", "jsonb_each_text") or label == "key"


def bound_call(function: exp.Expr, scope: Scope) -> exp.Expr:
    """Bind the arguments of a function."""
    if isinstance(function, (exp.Unnest, exp.Explode)):
        array = function.this if isinstance(function, exp.Explode) else function.expressions[0]
        return exp.Unnest(expressions=[bind(array, scope)])
    arguments = function.expressions
    if not isinstance(function, exp.Anonymous):
        named = [function.args.get(name) for name in ("start", "end", "step")]
        arguments = [argument for argument in named if argument is not None]
    call = exp.Anonymous(this=name_of(function), expressions=[bind(each, scope) for each in arguments])
    call.meta.update({WRITTEN: write(function), MODEL: scope.context.model})
    return call


def of_function(function: exp.Expr, types: Mapping[str, str | None]) -> Returned:
    """The columns of a bound function."""
    if isinstance(function, exp.Unnest):
        array = infer(function.expressions[0], types)
        return (("", array.removesuffix("[]") if array is not None and array.endswith("[]") else None),)
    if function.name != "generate_series":
        return RETURNED[function.name]
    found = [number_type(each) or infer(each, types) for each in function.expressions]
    if all(type_ in NUMBERS for type_ in found):
        return (("", max((type_ or "" for type_ in found), key=NUMBERS.index)),)
    return (("", found[0] if len(found) == 3 and found[0] == found[1] else None),)


def number_type(expression: exp.Expr) -> str | None:
    """The type of a whole number."""
    if isinstance(expression, exp.Neg):
        expression = expression.this
    if isinstance(expression, exp.Literal) and expression.is_int:
        return "integer" if abs(int(expression.name)) < 2**31 else "bigint"
    return None


# ---- in the SELECT list -------------------------------------------------------------------------------------------------


def lift_sets(
    items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """Unfold the functions of a SELECT list: each level of calls within calls goes in step."""
    roots = [exp.Paren(this=item.copy()) for _, item in items]
    while True:
        found = [node for root in roots for node in root.walk() if is_set(node)]
        ready = [node for node in found if not any(is_set(n) for n in node.walk() if n is not node)]
        if not ready:
            return plan, [(name, root.this) for (name, _), root in zip(items, roots, strict=True)]
        calls: dict[str, tuple[exp.Expr, Attribute]] = {}
        types = {a.name: a.type for a in plan.columns}
        for node in ready:
            check_place(node, scope)
            call = bound_call(node, scope)
            returned = of_function(call, types)
            if len(returned) > 1:
                raise refuse("MS024", node, write(node), scope.context.path)
            fresh = Attribute(scope.context.names.fresh(name_of(node)), returned[0][1])
            _, attribute = calls.setdefault(write(call), (call, fresh))
            scope.introduce(attribute)
            node.replace(introduced(attribute))
        plan = Unnest(
            plan, tuple(call for call, _ in calls.values()), tuple((a,) for _, a in calls.values()), None
        )


def check_place(node: exp.Expr, scope: Scope) -> None:
    """Refuse a function where SQL may leave it out or has one row for many: in CASE, in aggregates, in windows."""
    above = node.parent
    while above is not None:
        if is_aggregate(above) or isinstance(above, (*CONDITIONAL, exp.Filter, exp.Window)):
            raise refuse("MS024", node, write(node), scope.context.path)
        above = above.parent
