"""Nodes for what sqlglot would translate: operators, and calls whose arguments stand between words."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp


class Infix(exp.Expression, exp.Binary):
    """`left operator right` for an operator that has no node of its own here, such as `@>` or `~`."""

    arg_types: ClassVar = {"this": True, "expression": True, "operator": True}


class Prefix(exp.Unary):
    """`operator operand`, such as `|/ x`."""

    arg_types: ClassVar = {"this": True, "operator": True}


class Worded(exp.Expression, exp.Func):
    """A call with words between its arguments, such as `trim(both 'x' from note)`.

    `words` are those before each argument, joined by |: `BOTH|FROM`.
    """

    arg_types: ClassVar = {"this": True, "expressions": True, "words": True}


def called(node: exp.Expr | None) -> str:
    """The name of the function that a node calls without a schema; '' for anything else."""
    if isinstance(node, Worded) or (isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Dot)):
        return str(node.name)
    return ""
