"""The careful form of a plan: every operation that may fail on a value is tried by a function that gives NULL instead.

    a * b   becomes   pg_temp.millstream_try_1(a, b)

A tick runs a relation in this form after it has failed in the fast one (engine/tick/worker.py). Both give the same wherever the
fast one gives anything: the function's body is the operation as the fast form has it, guards included. So a row is
computed alike when it comes and when it goes, whichever form runs then, and nothing has to be remembered of it.

What a function takes and returns is what PostgreSQL says of the operation over its input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from millstream.compiler.algebra.expression import column, plain
from millstream.compiler.algebra.fallible import WRITTEN
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Join,
    Lateral,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    Unnest,
    Values,
    Window,
    inputs,
    with_inputs,
)
from millstream.compiler.dialect import Infix, called
from millstream.compiler.postgres.elements import guarded_elements
from millstream.compiler.postgres.names import dollars, quote, string
from millstream.compiler.postgres.render import Describe, render
from millstream.compiler.postgres.rewrite import declared
from millstream.compiler.postgres.scalar import scalar

# What a value can cause: PostgreSQL's classes for data, limits and what a function does not take.
FAILURES = (
    "data_exception",
    "program_limit_exceeded",
    "feature_not_supported",
    "internal_error",
    "raise_exception",
)
SET = "SETOF "
PSEUDO = ("record", "record[]", "unknown", "void", "")  # no function returns these, or takes them
SURE = (  # operations that fail on no value, or whose operands must not be computed before it is known which is wanted
    exp.Connector,
    exp.Not,
    exp.Paren,
    exp.Predicate,
    exp.Dot,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.JSONExtract,
    exp.JSONExtractScalar,
)
SURE_CALLS = ("nullif", "greatest", "least")
SURE_OPERATORS = ("#>", "#>>", "@>", "<@", "?", "?|", "?&")
PATTERNS = (exp.Like, exp.ILike, exp.SimilarTo)
PATTERN_OPERATORS = ("~", "~*", "!~", "!~*")
RISKY = (exp.Func, exp.Binary, exp.Unary, exp.AtTimeZone, *PATTERNS)
AROUND_CALL = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
NAMED = re.compile(r'"((?:[^"]|"")+?)(?:_\d+)?"')  # an attribute, with the number that makes its name unique
SHOWN = 200  # letters of each value that an operation failed on


@dataclass
class Tries:
    """The functions that try the operations of one relation; `found` has the name of each by the rest of its text."""

    prefix: str
    model: str
    found: dict[str, str] = field(default_factory=dict)

    def function(self, operation: exp.Expr, values: list[exp.Expr], types: list[str]) -> str:
        """The function that tries an operation of `values`; `types` are what it returns, then what it takes.

        A parameter is called as the column that it is, so that the guards inside show it under that name.
        """
        written, parameters = readable(operation), {}
        for number, (value, type_) in enumerate(zip(values, types[1:], strict=True), 1):
            name = plain(value) or f"value{number}"
            parameters[name] = (type_, readable(value))
            value.replace(column(name))
        return self.text(scalar(guarded_elements(operation)), parameters, types[0], written)

    def text(self, body: str, parameters: Mapping[str, tuple[str, str]], returns: str, written: str) -> str:
        """The function that tries an expression over parameters, each with its type and the name that is shown."""
        takes = ", ".join(f"{quote(name)} {type_}" for name, (type_, _) in parameters.items())
        shown = ", ".join(
            f"{string(label)}, left({quote(name)}::text, {SHOWN})" for name, (_, label) in parameters.items()
        )
        value, none = ("QUERY SELECT ", "") if returns.startswith(SET) else ("", " NULL")
        tried = dollars(
            f" BEGIN RETURN {value}{body}; {'RETURN; ' if value else ''}"
            f"EXCEPTION WHEN {' OR '.join(FAILURES)} THEN PERFORM millstream.failed({string(self.model)}, "
            f"{string(written)}, sqlerrm, jsonb_build_object({shown})); RETURN{none}; END "
        )
        text = f"({takes}) RETURNS {returns} LANGUAGE plpgsql STABLE AS {tried}"
        return self.found.setdefault(text, f"pg_temp.{self.prefix}_{len(self.found) + 1}")

    def statements(self) -> list[str]:
        """What creates the functions."""
        return [f"CREATE OR REPLACE FUNCTION {name}{text}" for text, name in self.found.items()]


def careful(plan: Plan, describe: Describe, tries: Tries, outer: tuple[Plan, ...] = ()) -> Plan:
    """Return the plan with every operation that may fail tried; it may read the columns of the plans `outer` too."""
    before = expressions(plan)
    after = with_tries(before, plan, describe, tries, outer) if before else []
    below = tuple(careful(child, describe, tries, outer) for child in inputs(plan))
    made = with_expressions(with_inputs(plan, below), after)
    if isinstance(plan, Lateral) and isinstance(made, Lateral):
        return replace(made, rows=careful(plan.rows, describe, tries, (*outer, plan.input)))
    return made


def with_tries(
    found: list[exp.Expr], plan: Plan, describe: Describe, tries: Tries, outer: tuple[Plan, ...]
) -> list[exp.Expr]:
    """The expressions of an operator, each operation that may fail in a call that tries it, the innermost first."""
    roots = [exp.Paren(this=expression.copy()) for expression in found]
    kept = {id(call) for call in own_calls(plan, roots)}
    chosen = [n for root in roots for n in reversed(list(root.walk())) if id(n) not in kept and may_fail(n)]
    texts = [scalar(part) for node in chosen for part in (node, *operands(node))]
    if not texts:
        return found
    types = iter(describe(f"SELECT {', '.join(texts)} {source(plan, outer)}"))
    for node in chosen:
        mine = [next(types) for _ in range(1 + len(operands(node)))]
        if not any(type_ in PSEUDO for type_ in mine):
            many = SET if isinstance(plan, Unnest) and node.parent in roots else ""
            replace_by_try(node, [many + mine[0], *mine[1:]], tries)
    return [root.this for root in roots]


def replace_by_try(node: exp.Expr, types: list[str], tries: Tries) -> None:
    """Put the call that tries an operation in its place; its operands may be such calls already."""
    arguments = {plain(operand) or number: operand.copy() for number, operand in enumerate(operands(node))}
    inside = exp.Paren(this=node.copy())
    name = tries.function(inside.this, operands(inside.this), types)
    node.replace(exp.Anonymous(this=name, expressions=list(arguments.values())))


def may_fail(node: exp.Expr) -> bool:
    """Tell whether an operation may fail on a value that it reads; what reads none failed when it was deployed."""
    symbol = node.args["operator"] if isinstance(node, Infix) else ""
    if isinstance(node, PATTERNS) or symbol in PATTERN_OPERATORS:
        risky = not isinstance(node.expression, exp.Literal)
    elif called(node) in SURE_CALLS or symbol in SURE_OPERATORS:
        risky = False
    else:
        risky = isinstance(node, RISKY) and not isinstance(node, SURE)
    return risky and node.find(exp.Column) is not None


def operands(node: exp.Expr) -> list[exp.Expr]:
    """The values that an operation computes with, but for constants, which may be of no type of their own."""
    found: list[exp.Expr] = []
    for child in node.iter_expressions():
        if child.find(exp.Column) is None:
            continue
        found += [child] if isinstance(child, exp.Condition) else operands(child)
    return found


def own_calls(plan: Plan, roots: list[exp.Paren]) -> list[exp.Expr]:
    """The aggregate or window function of each item: it sees many rows at once, so no function of one row can try it."""
    found = []
    for root in roots[: len(plan.items)] if isinstance(plan, (Aggregate, Window)) else ():
        found.append(root.this)
        while isinstance(found[-1], AROUND_CALL):
            found.append(found[-1].this)
    return found


def source(plan: Plan, outer: tuple[Plan, ...]) -> str:
    """The rows that an operator's expressions are computed over, as a FROM clause."""
    rows = enumerate((*outer, *inputs(plan)))
    below = [f"LATERAL ({render(declared(child))}) AS s{number}" for number, child in rows]
    return f"FROM {' CROSS JOIN '.join(below)}"


def expressions(plan: Plan) -> list[exp.Expr]:
    """The expressions of one operator, in the order of its fields."""
    if isinstance(plan, Filter):
        return [plan.predicate]
    if isinstance(plan, TimeFilter):
        return [plan.value]
    if isinstance(plan, Join):
        return [*([plan.on] if plan.on is not None else []), *plan.nearest]
    if isinstance(plan, Unnest):
        return list(plan.calls)
    if isinstance(plan, Values):
        return [value for row in plan.rows for value in row]
    if isinstance(plan, First):
        return list(plan.order)
    if isinstance(plan, UdfProject):
        return [argument for _, _, arguments in plan.calls for argument in arguments]
    if isinstance(plan, (Project, Aggregate)):
        return [expression for _, expression in plan.items]
    return [*(e for _, e in plan.items), *plan.order] if isinstance(plan, Window) else []


def with_expressions(plan: Plan, new: list[exp.Expr]) -> Plan:
    """The operator with other expressions in the place of its own."""
    if isinstance(plan, Filter):
        return replace(plan, predicate=new[0])
    if isinstance(plan, TimeFilter):
        return replace(plan, value=new[0])
    if isinstance(plan, Join):
        on = plan.on if plan.on is None else new[0]
        return replace(plan, on=on, nearest=tuple(new[len(new) - len(plan.nearest) :]))
    if isinstance(plan, Unnest):
        return replace(plan, calls=tuple(new))
    if isinstance(plan, Values):
        rest = iter(new)
        return replace(plan, rows=tuple(tuple(next(rest) for _ in row) for row in plan.rows))
    if isinstance(plan, First):
        return replace(plan, order=tuple(new))
    if isinstance(plan, UdfProject):
        rest = iter(new)
        return replace(
            plan, calls=tuple((a, f, tuple(next(rest) for _ in given)) for a, f, given in plan.calls)
        )
    if isinstance(plan, (Project, Aggregate, Window)):
        items = tuple((a, expression) for (a, _), expression in zip(plan.items, new, strict=False))
        if isinstance(plan, Window):
            return replace(plan, items=items, order=tuple(new[len(items) :]))
        return replace(plan, items=items)
    return plan


def readable(node: exp.Expr) -> str:
    """An operation as its author wrote it, or nearly so."""
    written = node.meta.get(WRITTEN)
    return str(written) if written else NAMED.sub(r"\1", scalar(node, guarded=False))
