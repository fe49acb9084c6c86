"""What the rules ask of the binder that they are given: a query inside the one that they bind."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from millstream.compiler.algebra.operators import Plan
from millstream.compiler.binder.scope import Columns, Scope


class Binder(Protocol):
    """Binds a query wherever one may stand: in FROM, in an expression, as a branch of a set operation."""

    def query(self, node: exp.Expr, scope: Scope) -> tuple[Plan, Columns]:
        """Bind a query that sees the columns and the CTEs of `scope`; return its plan and its named columns in order."""
