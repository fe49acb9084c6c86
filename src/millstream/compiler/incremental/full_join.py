"""A full join as two left joins, each of which has an exact change rule."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.copies import fresh_copy
from millstream.compiler.algebra.expression import Attribute, Names, column
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, UnionAll, identity


def expand_full(join: Join, names: Names) -> UnionAll:
    """Write a full join as the union of what each side keeps.

        a ⟗ b = (a ⟕ b) ⊎ σ_{m is null}(b ⟕ π_{a, m := true}(a))

    The second branch keeps the rows of b that meet none of a; it takes its NULLs from the join, with their types.
    """
    mark = Attribute(names.fresh("met"), "boolean", False)
    marked = Project(join.left, (*identity(join.left), (mark, exp.true())))
    alone = Filter(
        replace(join, kind="left", left=join.right, right=marked),
        exp.Is(this=column(mark), expression=exp.Null()),
    )
    order = (*join.left.columns, *join.right.columns)
    branches: list[Plan] = []
    for rows in (replace(join, kind="left"), alone):
        copied, renamed = fresh_copy(rows, names)
        kept = {attribute.name: attribute for attribute in copied.columns}
        items = []
        for attribute in order:
            own = kept[renamed[attribute.name].name]
            items.append((replace(own, name=names.fresh(attribute.label)), column(own)))
        branches.append(Project(copied, tuple(items)))
    return UnionAll(tuple(branches), join.columns)
