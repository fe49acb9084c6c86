"""Bind SELECT: its clauses in the order in which SQL evaluates them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.operators import Plan, Project, UdfProject
from millstream.compiler.algebra.single import without_unread_row
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.from_clause import bind_from
from millstream.compiler.binder.grouped import bind_grouped, needs_grouping
from millstream.compiler.binder.lifting import lift_items
from millstream.compiler.binder.ordering import bind_ordering, read_ordering
from millstream.compiler.binder.scalar import bind, python_call, type_of
from millstream.compiler.binder.scope import Columns, Context, Scope, introduced
from millstream.compiler.binder.table_functions import lift_sets
from millstream.compiler.binder.where import bind_where
from millstream.compiler.binder.windows import bind_windows
from millstream.compiler.dialect import write
from millstream.compiler.syntax.reads import is_star
from millstream.compiler.syntax.unread import refuse_unread
from millstream.diagnostics import refuse

CALL = re.compile(r"(\w+)\(")  # PostgreSQL names a column after the function that computes it


def bind_select(binder: Binder, select: exp.Select, around: Scope) -> tuple[Plan, Columns]:
    """Bind FROM, WHERE, GROUP BY, HAVING, windows, the SELECT list, DISTINCT, ORDER BY with LIMIT."""
    context = around.context
    refuse_unread(select, context.path)
    scope = Scope(context, outer=around)
    plan = bind_from(binder, select, scope)
    plan = bind_where(binder, select.args.get("where"), plan, scope, select.args.get("from_") or select)
    if select.args.get("distinct") and not select.expressions:
        raise refuse("MS009", select, "SELECT DISTINCT", context.path)
    listed = written_out(select.expressions, scope) if context.stars else select.expressions
    named = [(name_of(item, context), item.unalias()) for item in listed]
    ordering, items = read_ordering(select, named, context)
    if needs_grouping(select, items):
        plan, scope, items = bind_grouped(binder, select, items, plan, scope)
    else:
        plan, items = lift_items(binder, items, plan, scope)
    plan, items = bind_windows(items, plan, scope, select.args.get("windows"))
    plan, items = lift_sets(items, plan, scope)
    plan, outputs = bind_items(items, plan, scope)
    plan = without_unread_row(plan, context.names)
    columns = [attribute for _, attribute in outputs]
    return bind_ordering(ordering, plan, columns, len(named), context), outputs[: len(named)]


def written_out(items: list[exp.Expr], scope: Scope) -> Iterator[exp.Expr]:
    """The SELECT list with the columns of FROM in place of * and of alias.*."""
    for item in items:
        if not is_star(item):
            yield item
            continue
        for name, columns in scope.tables.items():
            if isinstance(item, exp.Star) or name.text == item.table:
                for column in columns:
                    yield exp.column(exp.to_identifier(column, quoted=True), table=name.text or None)


def name_of(item: exp.Expr, context: Context) -> str:
    """Return the output name of an item of the SELECT list."""
    if is_star(item):
        raise refuse("MS019", item, "", context.path)
    if isinstance(item, (exp.Alias, exp.Column)):
        return str(item.alias_or_name)
    if isinstance(item, exp.Dot):
        return str(item.expression.name)
    if isinstance(item, (exp.Cast, exp.Paren)):
        return name_of(item.this, context)
    if isinstance(item, (exp.Filter, exp.Window, exp.WithinGroup, exp.IgnoreNulls)):
        return name_of(item.this, context)
    if isinstance(item, exp.Anonymous):
        return str(item.name)
    if isinstance(item, exp.Func):
        call = CALL.match(write(item))
        return (call[1] if call else item.sql_name()).lower()
    raise refuse("MS020", item, "", context.path)


def bind_items(items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope) -> tuple[Plan, Columns]:
    """Bind the SELECT list; calls of Python functions become an operator of their own below it."""
    context = scope.context
    calls: list[tuple[Attribute, str, tuple[exp.Expr, ...]]] = []

    def lift(node: exp.Expr) -> exp.Expr:
        call = python_call(node, context)
        if call is None:
            return node
        name, arguments = call
        attribute = Attribute(context.names.fresh(name))
        calls.append((attribute, name, tuple(bind(argument, scope) for argument in arguments)))
        scope.introduce(attribute)
        return introduced(attribute)

    bound: list[tuple[str, Attribute, exp.Expr]] = []
    for name, item in items:
        expression = bind(item.copy().transform(lift, copy=False), scope)
        source = plain(expression)
        known = {a.name: a for a in plan.columns}.get(source or "")
        attribute = Attribute(
            context.names.fresh(name or "order"),
            type_of(expression, {a.name: a.type for a in plan.columns}),
            known.nullable if known else not isinstance(expression, (exp.Literal, exp.Count)),
        )
        bound.append((name, attribute, expression))
    if calls:
        plan = UdfProject(plan, tuple(calls))
    plan = Project(plan, tuple((attribute, expression) for _, attribute, expression in bound))
    return plan, [(name, attribute) for name, attribute, _ in bound]
