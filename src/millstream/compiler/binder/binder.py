"""The binder: every kind of query with the rule that binds it."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import Plan
from millstream.compiler.binder.common_tables import with_ctes
from millstream.compiler.binder.scope import Columns, Context, Scope
from millstream.compiler.binder.select import bind_select
from millstream.compiler.binder.setops import bind_set_operation
from millstream.compiler.binder.tables import bind_values
from millstream.diagnostics import refuse


class QueryBinder:
    """Binds queries; it is what the rules call `binder`, for the queries inside of theirs."""

    def query(self, node: exp.Expr, scope: Scope) -> tuple[Plan, Columns]:
        """Bind a query that sees the columns and the CTEs of `scope`; return its plan and its named columns in order."""
        scope = with_ctes(node, scope)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope)
        if isinstance(node, exp.SetOperation):
            return bind_set_operation(self, node, scope)
        if isinstance(node, exp.Values):
            return bind_values(node, scope)
        if isinstance(node, exp.Select):
            return bind_select(self, node, scope)
        raise refuse("MS010", node, node.key.upper(), scope.context.path)


def bind_query(node: exp.Expr, context: Context) -> tuple[Plan, Columns]:
    """Bind a query that stands alone; return its plan and its named output columns in order."""
    return QueryBinder().query(node, Scope(context))
