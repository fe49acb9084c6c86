"""Bind joins: the kind, the condition and the marks of a join decide its operator."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.conditions import terms_of
from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    conjuncts,
    equalities,
    links,
    references,
)
from millstream.compiler.algebra.keys import tie_break
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, Scan, identity, names
from millstream.compiler.algebra.single import at_most_one
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Added, Scope
from millstream.compiler.binder.table_functions import bind_in_from
from millstream.compiler.syntax.from_items import Name
from millstream.compiler.syntax.parse import is_process_time
from millstream.compiler.syntax.unread import refuse_unread
from millstream.diagnostics import refuse

INEQUALITIES = (exp.GT, exp.GTE, exp.LT, exp.LTE)


def check_form(join: exp.Join, path: str | None) -> None:
    """Refuse a join of a kind that is not read."""
    refuse_unread(join, path)
    side, kind, method = join.side.upper(), join.kind.upper(), join.method.upper()
    if method == "NATURAL":
        raise refuse("MS040", join, "", path)
    if method not in ("", "ASOF") or kind in ("SEMI", "ANTI"):
        raise refuse("MS010", join, " ".join(word for word in (method, side, kind, "JOIN") if word), path)


def check_version(join: exp.Join, path: str | None) -> None:
    """Refuse FOR SYSTEM_TIME AS OF another time than PROCTIME(), and on a side that has all rows."""
    item, side = join.this, join.side.upper()
    process_time = isinstance(item, exp.Table) and is_process_time(item)
    if process_time and side in ("RIGHT", "FULL"):
        raise refuse("MS016", item, f"the right of a {side} JOIN", path)
    if isinstance(item, exp.Table) and item.args.get("version") is not None and not process_time:
        raise refuse("MS010", item, "FOR SYSTEM_TIME AS OF a moment", path)


def join_sides(join: exp.Join, left: Plan, right: Plan, added: Added, scope: Scope) -> Plan:
    """Join a bound item of FROM to what stands left of it; `scope` gains what the item adds."""
    path = scope.context.path
    item, side, method = join.this, join.side.upper(), join.method.upper()
    process_time = isinstance(item, exp.Table) and is_process_time(item)
    if process_time and not isinstance(right, Scan):
        raise refuse("MS016", item, item.alias_or_name, path)
    using = {identifier.name: shared(identifier, scope, added) for identifier in join.args.get("using") or []}
    for name, columns in added:
        scope.add(name, columns, item)
    on = join.args.get("on")
    condition = conjunction(terms_of(bind(on, scope))) if on is not None else None
    if using:
        condition = conjunction(exp.EQ(this=column(a), expression=column(b)) for a, b in using.values())
    if method == "ASOF":
        return bind_nearest(join, left, right, side, condition, path)
    joined = (
        Join(right, left, "left", condition)
        if side == "RIGHT"
        else Join(left, right, side.lower() or "inner", condition, process_time)
    )
    joined = check_condition(joined, join, path, item)
    return merge_columns(joined, using, side, [name for name, _ in added], scope) if using else joined


def check_condition(joined: Join, node: exp.Expr, path: str | None, item: exp.Expr) -> Join:
    """Refuse a join that no key connects, unless one side is one row; WHERE may still connect an inner join."""
    pairs = links(joined.on, names(joined.left), names(joined.right))
    if pairs or (joined.process_time and joined.kind == "inner"):
        return joined
    if joined.process_time:
        raise refuse("MS016", item, item.alias_or_name, path)
    if references_outside(joined):
        return joined
    if joined.kind in ("inner", "left") and at_most_one(joined.right):
        return Join(joined.left, joined.right, joined.kind, joined.on, single=True)
    if joined.kind != "inner":
        raise refuse("MS015", node, "", path)
    return joined


def references_outside(joined: Join) -> bool:
    """Tell whether the condition of a join reads the query around it, which may connect the sides too."""
    known = names(joined.left) | names(joined.right)
    return any(references(term) - known for term in conjuncts(joined.on))


# ---- USING ----------------------------------------------------------------------------------------------------------


def shared(name: exp.Identifier, scope: Scope, added: Added) -> tuple[Attribute, Attribute]:
    """The column of that name on either side of JOIN … USING."""
    wanted = exp.column(name.copy())
    right = Scope(scope.context)
    for item, columns in added:
        right.add(item, columns)
    return scope.resolve(wanted), right.resolve(wanted)


def merge_columns(
    joined: Join,
    using: dict[str, tuple[Attribute, Attribute]],
    side: str,
    items: list[Name],
    scope: Scope,
) -> Plan:
    """Let the bare names of USING mean the one column that SQL makes of two.

    It is the left one, after RIGHT JOIN the right one, after FULL JOIN whichever is there; columns of two types become
    one of their common type.
    """
    computed: list[tuple[Attribute, exp.Expr]] = []
    for name, (left, right) in using.items():
        first, second = (right, left) if side == "RIGHT" else (left, right)
        meant = first
        if side == "FULL" or first.type is None or first.type != second.type:
            meant = Attribute(
                scope.context.names.fresh(name), first.type if first.type == second.type else None
            )
            both = exp.Coalesce(this=column(first), expressions=[column(second)])
            computed.append((meant, both))
        scope.merge(name, meant, items)
    return Project(joined, (*identity(joined), *computed)) if computed else joined


# ---- ASOF -----------------------------------------------------------------------------------------------------------


def bind_nearest(
    node: exp.Join, left: Plan, right: Plan, side: str, on: exp.Expr | None, path: str | None
) -> Join:
    """Bind ASOF [LEFT] JOIN: of the right rows that meet a left row, the one whose compared column is nearest.

    Of rows that tie there the one with the smallest key is taken, as RisingWave does.
    """
    if side not in ("", "LEFT"):
        raise refuse("MS047", node, f"a {side} JOIN", path)
    pairs = equalities(on, names(left), names(right))
    terms = conjuncts(on)
    compared = [term for term in terms if isinstance(term, INEQUALITIES)]
    if not pairs or len(compared) != 1 or len(pairs) + 1 != len(terms):
        raise refuse("MS047", node, "another condition", path)
    (term,) = compared
    value, falls = term.right, isinstance(term, (exp.GT, exp.GTE))
    if references(term.left) <= names(right):
        value, falls = term.left, not falls
    other = term.left if value is term.right else term.right
    if not references(value) or not references(value) <= names(right) or not references(other) <= names(left):
        raise refuse("MS047", node, "a comparison of other columns", path)
    first = exp.Ordered(this=value.copy(), desc=falls, nulls_first=False)
    ties = tie_break(right, (), (first,))
    return Join(left, right, "left" if side else "inner", on, nearest=(first, *ties))


# ---- functions --------------------------------------------------------------------------------------------------------


def bind_function_join(join: exp.Join, left: Plan, scope: Scope) -> Plan:
    """Bind a join with a set-returning function: inner or cross, or LEFT, which keeps rows of which it makes none."""
    item, side, on = join.this, join.side.upper(), join.args.get("on")
    if join.method or side not in ("", "LEFT") or join.args.get("using"):
        raise refuse("MS049", join, "that is not CROSS, INNER or LEFT", scope.context.path)
    if isinstance(on, exp.Boolean) and on.this:
        on = None
    if side:
        return bind_in_from(item, left, scope, outer=True, on=on)
    plan = bind_in_from(item, left, scope)
    return Filter(plan, bind(on, scope)) if on is not None else plan
