"""Plans and nodes as text: one operator a line, its input indented below it; a column that may be NULL has a ?."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    Side,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    inputs,
)
from millstream.compiler.dialect import write
from millstream.compiler.incremental.node import Node


def text(expression: exp.Expr | None) -> str:
    """An expression without the quotes around attribute names."""
    return "true" if expression is None else write(expression).replace('"', "")


def column(attribute: Attribute) -> str:
    return attribute.name + ("?" if attribute.nullable else "")


def columns(attributes: Sequence[Attribute]) -> str:
    return ", ".join(column(attribute) for attribute in attributes)


def computed(items: Sequence[tuple[Attribute, exp.Expr]]) -> str:
    return ", ".join(f"{column(attribute)} := {text(expression)}" for attribute, expression in items)


def line(plan: Plan) -> str:
    """The operator itself."""
    match plan:
        case Scan():
            side = "" if plan.side is Side.STATE else f" {plan.side.value}"
            guard = f" where {plan.relation.guard}" if plan.relation.guard else ""
            return f"scan {plan.relation.name}{side}{guard} ({columns(plan.columns)})"
        case Values():
            rows = ", ".join("(" + ", ".join(text(value) for value in row) + ")" for row in plan.rows)
            return f"values {rows} ({columns(plan.columns)})"
        case Filter():
            return f"filter {text(plan.predicate)}"
        case TimeFilter():
            clock = "" if plan.clock == "now" else f" at {plan.clock}"
            return f"time filter{clock} {text(plan.predicate)}"
        case Project():
            return f"project {computed(plan.items)}"
        case Join():
            time = "process-time " if plan.process_time else ""
            near = f" nearest by {', '.join(map(text, plan.nearest))}" if plan.nearest else ""
            one = " with one row" if plan.single else ""
            return f"{time}{plan.kind} join{one} on {text(plan.on)}{near}"
        case Unnest():
            arrays = isinstance(plan.calls[0], exp.Unnest)
            calls = ", ".join(text(call.expressions[0] if arrays else call) for call in plan.calls)
            made = columns([attribute for each in plan.elements for attribute in each])
            ordinality = f" with ordinality {plan.ordinality.name}" if plan.ordinality else ""
            return f"{'outer ' * plan.outer}{'unnest ' * arrays}{calls} as {made}{ordinality}"
        case Lateral():
            return f"{'outer ' * plan.outer}for each row"
        case UnionAll():
            return f"union all ({columns(plan.columns)})"
        case Aggregate():
            return f"aggregate by ({columns(plan.keys)}) {computed(plan.items)}".rstrip()
        case Window():
            order = ", ".join(text(term) for term in plan.order)
            frame = f" {plan.frame.sql('postgres')}" if plan.frame is not None else ""
            ties = f" then {', '.join(text(term) for term in plan.ties)}" if plan.ties else ""
            return (
                f"window by ({columns(plan.partition)}) order by {order}{ties}{frame}: {computed(plan.items)}"
            )
        case UdfProject():
            calls = ", ".join(f"{a.name} := {n}({', '.join(map(text, args))})" for a, n, args in plan.calls)
            return f"python {calls}"


def tree(plan: Plan, depth: int = 0) -> str:
    """The plan with everything below it."""
    below = [tree(child, depth + 1) for child in inputs(plan)]
    below += [tree(plan.rows, depth + 1)] if isinstance(plan, Lateral) else []
    return "\n".join(["  " * depth + line(plan), *below])


def outputs(named: Sequence[tuple[str, Attribute]]) -> str:
    return "\n".join(f"{name} = {column(attribute)}" for name, attribute in named)


def node(each: Node) -> str:
    """A node: its rule, its keys, what causes it to change, what it only looks up, and its plan."""
    facts = [each.rule.value + (", in turns" if each.takes_turns else "") + (", timed" if each.timed else "")]
    facts.append(
        f"keys ({', '.join(each.keys)}){' unique' if each.unique else ''}{' nullable' if each.nullable_key else ''}"
    )
    facts.append(f"from {', '.join(leaf.relation.name for leaf in each.leaves)}")
    if each.looked_up:
        facts.append(f"looking up {', '.join(leaf.relation.name for leaf in each.looked_up)}")
    stored = ", ".join(f"{name} = {column(attribute)}" for name, attribute in each.outputs)
    return f"{each.name}: {'; '.join(facts)}\n  stores {stored}\n{tree(each.plan, 1)}"
