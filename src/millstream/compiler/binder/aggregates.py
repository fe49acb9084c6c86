"""Bind GROUP BY, aggregates and HAVING."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.operators import Aggregate, Plan, Project, identity
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.grouping import grouping_sets, union_of_sets
from millstream.compiler.binder.ordered import REWRITTEN, break_ties, check_aggregate, rewrite_aggregate
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Context, Scope, introduced
from millstream.compiler.binder.where import bind_where
from millstream.compiler.dialect import called, write
from millstream.compiler.syntax.aggregate_calls import bare, has_aggregates, is_aggregate
from millstream.compiler.syntax.types import infer
from millstream.diagnostics import refuse
from millstream.errors import Refused

Items = list[tuple[str, exp.Expr]]


def check_aggregates(expression: exp.Expr, context: Context) -> None:
    """Refuse the first aggregate of an expression that no rule can keep."""
    for node in expression.walk(prune=lambda node: isinstance(node, exp.Query)):
        if not isinstance(node, exp.Query) and is_aggregate(node):
            check_aggregate(bare(node), context)


@dataclass
class Grouping:
    """One GROUP BY while it is bound: its keys, and the aggregates found in the clauses above it."""

    plan: Plan
    scope: Scope  # of FROM
    keys: list[tuple[exp.Expr, Attribute]] = field(default_factory=list)  # bound expression, its group column
    computed: list[tuple[Attribute, exp.Expr]] = field(default_factory=list)
    found: dict[str, tuple[Attribute, exp.Expr]] = field(
        default_factory=dict
    )  # by the text of the bound call
    levels: dict[tuple[int, ...], Attribute] = field(default_factory=dict)  # grouping() of these keys
    shown: Scope = field(init=False)  # what the clauses above see

    def __post_init__(self) -> None:
        self.shown = Scope(self.scope.context)

    def bind_key(self, term: exp.Expr, items: Items) -> int:
        """Bind one term of GROUP BY, also by its place or name in the SELECT list; return the number of its key."""
        context = self.scope.context
        target = term
        while isinstance(target, exp.Paren):
            target = target.this
        if isinstance(target, exp.Literal) and target.is_int:
            if not 0 < int(target.name) <= len(items):
                raise refuse("MS003", target, f"number {target.name} of the SELECT list", context.path)
            target = items[int(target.name) - 1][1]
        elif isinstance(target, exp.Column) and not target.table and target.name in dict(items):
            try:
                bind(target, self.scope)
            except Refused:  # not a column of FROM: the name of an output, as PostgreSQL reads it
                target = dict(items)[target.name]
        bound = bind(target, self.scope)
        for number, (other, _) in enumerate(self.keys):
            if other == bound:
                return number
        known = {each.name: each for each in self.plan.columns}
        name = plain(bound)
        if name in known:
            attribute = known[name or ""]
        else:  # an expression, or a column of the query around this one
            types = {each.name: each.type for each in self.plan.columns}
            attribute = Attribute(context.names.fresh("key"), infer(bound, types))
            self.computed.append((attribute, bound))
        self.keys.append((bound, attribute))
        return len(self.keys) - 1

    def bind_call(self, node: exp.Expr) -> exp.Column:
        """Bind an aggregate call; equal calls are computed once."""
        context = self.scope.context
        check_aggregate(bare(node), context)
        if any(has_aggregates(part) for part in bare(node).iter_expressions()):
            raise refuse("MS010", node, "aggregate of an aggregate", context.path)
        columns = list(node.find_all(exp.Column))
        if columns and all(self.scope.resolve_outside(each) for each in columns):
            raise refuse("MS026", node, write(node), context.path)
        bound = bind(node, self.scope)
        if write(bound) not in self.found:
            counts = isinstance(bare(bound), exp.Count)
            attribute = Attribute(context.names.fresh(called(bare(node)) or node.key), None, not counts)
            self.found[write(bound)] = (attribute, bound)
            self.shown.introduce(attribute)
        return introduced(self.found[write(bound)][0])

    def bind_level(self, node: exp.Grouping) -> exp.Column:
        """Bind grouping(key, …): which of these keys a row's grouping set leaves out."""
        context = self.scope.context
        numbers = []
        for argument in node.expressions:
            text = write(bind(argument, self.scope))
            matches = [number for number, (known, _) in enumerate(self.keys) if write(known) == text]
            if not matches:
                raise refuse("MS023", argument, write(argument), context.path)
            numbers += matches
        attribute = self.levels.setdefault(
            tuple(numbers), Attribute(context.names.fresh("grouping"), "integer", False)
        )
        self.shown.introduce(attribute)
        return introduced(attribute)

    def over_groups(self, expression: exp.Expr) -> exp.Expr:
        """Write an expression of SELECT, HAVING or ORDER BY over the columns of the groups."""
        context = self.scope.context
        by_text = {write(bound): attribute for bound, attribute in self.keys}
        root = exp.Paren(this=expression.copy())
        for node in list(root.find_all(exp.Filter, exp.IgnoreNulls, *REWRITTEN)):
            if is_aggregate(node):
                node.replace(rewrite_aggregate(node, context))

        def lift(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Grouping):
                return self.bind_level(node)
            if is_aggregate(node):
                return self.bind_call(node)
            if isinstance(node, (exp.Window, exp.Literal, exp.Identifier, exp.DataType)):
                return node
            try:
                text = write(bind(node, self.scope)) if node.find(exp.Column) else ""
            except Refused:  # contains an aggregate or a Python call: look below it
                return node
            if text in by_text:
                return introduced(by_text[text])
            if isinstance(node, exp.Column):
                outside = self.scope.resolve_outside(node)
                if outside is None:
                    raise refuse("MS023", node, write(node), context.path)
                self.shown.introduce(outside)
                return introduced(outside)
            return node

        root.transform(lift, copy=False)
        changed: exp.Expr = root.this
        return changed


def bind_aggregation(
    binder: Binder, select: exp.Select, items: Items, plan: Plan, scope: Scope
) -> tuple[Plan, Scope, Items]:
    """Bind GROUP BY and HAVING; return the SELECT list rewritten over the groups' columns."""
    context = scope.context
    for _, item in items:
        check_aggregates(item, context)
    grouping = Grouping(plan, scope)
    sets = grouping_sets(select.args.get("group"), lambda term: grouping.bind_key(term, items), context)
    keys = tuple(attribute for _, attribute in grouping.keys)
    grouping.shown.introduce(*keys)
    rewritten = [(name, grouping.over_groups(item)) for name, item in items]
    having = select.args.get("having")
    condition = grouping.over_groups(having.this) if having is not None else None
    if grouping.computed:
        plan = Project(plan, (*identity(plan), *grouping.computed))
    known = {attribute.name: attribute for attribute in plan.columns}
    break_ties((bare(call) for _, call in grouping.found.values()), plan, keys, known)
    aggregate = Aggregate(plan, keys, tuple(grouping.found.values()))
    result: Plan = aggregate
    if len(sets) > 1 or len(sets[0]) < len(keys) or grouping.levels:
        result, renamed = union_of_sets(aggregate, sets, grouping.levels, context.names)
        rewritten = [(name, renamed(item)) for name, item in rewritten]
        condition = renamed(condition) if condition is not None else None
        grouping.shown.introduce(*result.columns)
    if condition is not None:
        result = bind_where(binder, exp.Where(this=condition), result, grouping.shown, select)
    return result, grouping.shown, rewritten
