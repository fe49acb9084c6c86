"""Refuse subqueries and set-returning functions that RisingWave does not have, or for which it gives other rows."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.algebra.expression import conjuncts, links
from millstream.compiler.algebra.operators import Join, Plan, names, scans, walk
from millstream.compiler.binder.scope import Place
from millstream.compiler.dialect import write
from millstream.compiler.syntax.from_items import Name
from millstream.compiler.syntax.reads import item_in_sight, items, means, sources
from millstream.compiler.syntax.set_calls import OBJECTS, function_in_from, is_set, name_of, read_call
from millstream.diagnostics import refuse
from millstream.errors import Refused

NULL_AS_TEXT = {"jsonb_array_elements_text", "jsonb_each_text"}


def of_membership(node: exp.Expr, path: str | None) -> Iterator[Refused]:
    """IN, ANY and ALL over a query: RisingWave has IN of one column, as a condition of WHERE on its own."""
    if isinstance(node, exp.In):
        if node.args.get("query") is None:
            return
        if isinstance(node.this, exp.Tuple):
            yield refuse("MS067", node, "IN with several columns", path)
        above = node.parent
        while isinstance(above, (exp.Not, exp.Paren, exp.And)):
            above = above.parent
        if not isinstance(above, exp.Where):
            yield refuse("MS067", node, "IN that is not a condition of WHERE on its own", path)
    elif isinstance(node, (exp.Any, exp.All)) and isinstance(node.this.unnest(), exp.Query):
        yield refuse("MS067", node.parent, "ANY or ALL", path)


def of_functions(select: exp.Select, jsonb: list[tuple[Name, str]], path: str | None) -> Iterator[Refused]:
    """Set-returning functions of one SELECT."""
    yield from of_selected(select, path)
    written = sources(select)
    for number, item in enumerate(written):
        function = function_in_from(item)
        if function is None:
            continue
        yield from of_call(function, path)
        if isinstance(function, exp.Unnest) and len(function.expressions) > 1:
            yield refuse("MS069", function, "unnest of several lists", path)
        if read_call(item, path).ordinality is not None and name_of(function) in OBJECTS:
            yield refuse("MS069", item, f"{name_of(function)} WITH ORDINALITY", path)
        if number and not any(function.find_all(exp.Column)):
            yield refuse("MS068", item, f"{name_of(function)} of constants", path)
        join = item.parent
        if isinstance(join, exp.Join) and join.side and reads_jsonb(function, jsonb):
            yield refuse("MS061", item, f"a LEFT JOIN of {name_of(function)}", path)
        yield from of_order(item, written[:number], path)


def of_call(function: exp.Expr, path: str | None) -> Iterator[Refused]:
    """What a call may say, wherever it stands."""
    if name_of(function) in NULL_AS_TEXT:
        yield refuse("MS069", function, name_of(function), path)
    dates = [
        each for each in function.find_all(exp.Cast) if each.to.is_type("date") and each.parent is function
    ]
    if name_of(function) == "generate_series" and dates:
        yield refuse("MS069", function, "generate_series of dates", path)


def of_selected(select: exp.Select, path: str | None) -> Iterator[Refused]:
    """The SELECT list: RisingWave takes functions inside expressions in step with each other, apart from those alone."""
    kinds = set()
    for item in select.expressions:
        value = item.unalias()
        for node in value.walk(prune=lambda each: is_set(each) or isinstance(each, exp.Query)):
            if is_set(node):
                depth = sum(is_set(each) for each in node.walk())
                kinds.add((node is value, depth))
                for each in node.walk():
                    yield from of_call(each, path) if is_set(each) else ()
    if len(kinds) > 1:
        yield refuse(
            "MS069", select.expressions[0], "set-returning functions alone and inside of expressions", path
        )


def of_order(item: exp.Expr, before: list[exp.Expr], path: str | None) -> Iterator[Refused]:
    """FROM a, b CROSS JOIN f(a.x): of the items before a comma RisingWave 3.0 sees nothing in a join after it."""
    join = item.parent
    if not isinstance(join, exp.Join) or not (join.kind or join.side or join.args.get("on")):
        return
    starts = [n for n, each in enumerate(before) if is_comma(each.parent)]
    hidden = [item_in_sight(each) for each in before[: starts[-1]]] if starts else []
    function = function_in_from(item)
    if function is not None and any(means(hidden, column) for column in function.find_all(exp.Column)):
        yield refuse("MS069", item, f"{name_of(function)} in a join, of an item before a comma", path)


def is_comma(join: exp.Expr | None) -> bool:
    """Tell whether an item of FROM follows a comma."""
    return isinstance(join, exp.Join) and not (join.kind or join.side or join.method or join.args.get("on"))


def of_lists(
    select: exp.Select, around: list[Name], jsonb: list[tuple[Name, str]], path: str | None
) -> Iterator[Refused]:
    """A subquery over a list of the row outside: by jsonb, or compared with that row, RisingWave cannot take it apart.

    `around` are the items of the queries around it, `jsonb` their columns of that type.
    """
    own = items(select)
    outer = [name for name in around if not any(name.repeats(mine) for mine in own)]
    jsonb = [each for each in jsonb if not any(each[0].repeats(mine) for mine in own)]
    elements: set[str] = set()
    labels: set[str] = set()
    calls = [(item, function_in_from(item)) for item in sources(select)]
    calls += [(node, node) for each in select.expressions for node in each.walk() if is_set(node)]
    for item, function in calls:
        if function is None or not any(means(outer, column) for column in function.find_all(exp.Column)):
            continue
        if reads_jsonb(function, jsonb):
            yield refuse("MS061", function, f"{write(function)} of the row outside", path)
        if item is not function or isinstance(item, exp.Unnest):
            call = read_call(item, path)
            elements.add(call.label)
            labels |= {call.label, *call.labels}
    where = select.args.get("where")
    for term in conjuncts(where.this) if where is not None else ():
        read = list(term.find_all(exp.Column))
        if any(means(outer, each) for each in read) and any(
            each.table in elements or (not each.table and each.name in labels) for each in read
        ):
            yield refuse("MS070", term, "", path)


def reads_jsonb(function: exp.Expr, columns: list[tuple[Name, str]]) -> bool:
    """Tell whether a call reads a column of type jsonb."""
    return any(
        each.name == column and (owner.means(each) if each.table else True)
        for each in function.find_all(exp.Column)
        for owner, column in columns
    )


def of_values(select: exp.Select, path: str | None) -> Iterator[Refused]:
    """VALUES of several rows that read the row outside."""
    for item in sources(select):
        lateral = (
            item.this.this if isinstance(item, exp.Lateral) and isinstance(item.this, exp.Subquery) else None
        )
        if (
            isinstance(lateral, exp.Values)
            and len(lateral.expressions) > 1
            and any(lateral.find_all(exp.Column))
        ):
            yield refuse("MS067", item, "VALUES of several rows that read the row outside", path)


def of_joins(plan: Plan, places: dict[str, Place]) -> Iterator[Refused]:
    """Joins without an equality; a comparison with one row alone is RisingWave's dynamic filter."""
    for join in walk(plan):
        if not isinstance(join, Join) or join.process_time or not scans(join):
            continue
        filtered = join.kind == "semi" and join.single and join.on is not None
        if filtered or links(join.on, names(join.left), names(join.right)):
            continue
        found = next((places[a.name] for a in join.right.columns if a.name in places), None)
        if found is not None:
            yield refuse(
                "MS068", found[0], "a single row" if scans(join.right) else "constant rows", found[1]
            )
