"""Copies of a plan under new names, so that one plan may hold the same subplan more than once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, Names, column, substitute
from millstream.compiler.algebra.operators import Lateral, Plan, Relation, Scan, inputs, walk, with_inputs

Renamed = dict[str, Attribute]  # name in the original → attribute of the copy


def fresh_copy(plan: Plan, names: Names) -> tuple[Plan, Renamed]:
    """Return a copy of a plan in which every attribute and every scan is new, and the new attribute of each old one."""
    renamed: Renamed = {}
    for operator in walk(plan):
        for attribute in operator.columns:
            if attribute.name not in renamed:
                renamed[attribute.name] = names.renamed(attribute)
    by = {old: column(new) for old, new in renamed.items()}

    def change(value: Any) -> Any:
        if isinstance(value, Attribute):
            new = renamed.get(value.name)
            return replace(value, name=new.name) if new is not None else value
        if isinstance(value, exp.Expr):
            return substitute(value, by)
        if isinstance(value, tuple):
            return tuple(change(each) for each in value)
        if isinstance(value, Scan):
            instance = names.instance()
            return replace(value, instance=instance, columns=change(value.columns))
        if is_dataclass(value) and not isinstance(value, (type, Relation)):
            return replace(value, **{f.name: change(getattr(value, f.name)) for f in fields(value)})
        return value

    copied: Plan = change(plan)
    return copied, renamed


def substituted(plan: Plan, by: Mapping[str, exp.Expr]) -> Plan:
    """Return an operator whose own expressions have others in place of some columns; what is below stays."""

    def change(value: Any) -> Any:
        if isinstance(value, exp.Expr):
            return substitute(value, by)
        return tuple(change(each) for each in value) if isinstance(value, tuple) else value

    below = {"input", "left", "right", "inputs"} | ({"rows"} if isinstance(plan, Lateral) else set())
    made: Plan = replace(
        plan, **{f.name: change(getattr(plan, f.name)) for f in fields(plan) if f.name not in below}
    )
    return replace(made, rows=everywhere(made.rows, by)) if isinstance(made, Lateral) else made


def everywhere(plan: Plan, by: Mapping[str, exp.Expr]) -> Plan:
    """Return a plan with others in place of some columns, in all of its operators."""
    return substituted(with_inputs(plan, tuple(everywhere(child, by) for child in inputs(plan))), by)
