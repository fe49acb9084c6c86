"""Scalar operations that give NULL where a value makes them fail, as RisingWave's streams do; each failure is recorded.

    a / b   becomes   CASE WHEN (b = 0) IS TRUE
                           THEN CASE WHEN millstream.failed(…) THEN NULL ELSE a / NULLIF(b, b) END
                           ELSE a / b END

The guard in front is all that a good value pays: a comparison, or PostgreSQL's own look at the text of a cast. It is not
true for NULL, so NULL is never a failure. `millstream.failed` is always true; it runs for bad values alone, and notes model,
expression, message and the values that the expression read (engine/catalog/guards.sql). The branch that is never taken, the
operation on NULL, gives the NULL its type. Where PostgreSQL knows the values beforehand, it drops the operation with the
other branch before it computes constants.

So operands stand there several times. One that is more than a few operations, or guarded itself, is computed once, or
guards within guards would multiply what is written and computed at every level:

    (SELECT CASE WHEN (_v2 = 0) IS TRUE … ELSE _v1 / _v2 END FROM (SELECT a AS _v1, b AS _v2 OFFSET 0) AS o)

`millstream.castable` has one body for each type of value, chosen by PostgreSQL, which knows the types; where a cast cannot
fail it is the constant true and PostgreSQL drops the whole CASE. What no comparison can tell beforehand (a time by a
format) is tried in a function that catches the error.

A bad cast of text that the statement itself fixes (a literal) is an error when the view is deployed: PostgreSQL computes
constants before it runs anything.

Not guarded is arithmetic that leaves the range of its type (2147483647 + 1): a row that does it is set aside.
"""

from __future__ import annotations

import re

from sqlglot import exp

from millstream.compiler.algebra.fallible import MODEL, TRIED, WRITTEN, is_fallible
from millstream.compiler.dialect import Prefix, called, write

NUMBER = re.compile(r"_\d+$")  # what makes an attribute's name unique; people know the column without it
SMALL = (
    4  # operations; PostgreSQL does not put castable's body in the place of its call with costlier arguments
)
COMPUTED = ("_v1", "_v2")  # columns that have an operand's value
LOGARITHM = "logarithm of a number that is not positive"
POWER = "zero to a negative power, or a negative number to a fractional one"
SHOWN_COLUMNS = 20  # of what an expression reads, this many columns are kept with a failure


def lenient(expression: exp.Expr) -> exp.Expr:
    """Return the expression with every operation that can fail guarded, the innermost first."""
    root = exp.Paren(this=expression)
    for node in reversed([found for found in root.walk() if is_fallible(found)]):
        guarded = guard(node)
        if guarded is not node:
            node.replace(guarded)
    result: exp.Expr = root.this
    return result


def guard(node: exp.Expr) -> exp.Expr:
    """Guard one operation; the operation itself where its literals show that it cannot fail."""
    if called(node) in TRIED:
        return tried(node, called(node))
    checked = node.copy()
    computed = [operand for operand in operands(checked) if not is_small(operand)]
    named = list(zip(COMPUTED, computed, strict=False))
    for name, operand in named:
        operand.replace(exp.column(name))
    bad = condition(checked)
    if bad is None:
        return node
    certain = exp.Is(this=exp.paren(bad), expression=exp.Boolean(this=True))
    nothing = exp.Case().when(failure(node), exp.Null()).else_(of_null(checked))
    guarded = exp.Case().when(certain, nothing).else_(checked)
    if not computed:
        return exp.paren(guarded)
    once = exp.select(*(exp.alias_(operand, name) for name, operand in named)).offset(0)
    return exp.select(guarded).from_(once.subquery("o")).subquery()


def operands(node: exp.Expr) -> list[exp.Expr]:
    """What an operation computes with."""
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    return [part for part in (node.this, node.args.get("expression")) if part is not None]


def of_null(node: exp.Expr) -> exp.Expr:
    """The same operation on NULL: a NULL of its type."""
    changed = node.copy()
    if isinstance(changed, exp.Cast):
        changed.set("this", exp.Null())
        return changed
    divides = isinstance(changed, (exp.Div, exp.Mod)) or called(changed) == "mod"
    operand = operands(changed)[-1 if divides else 0]
    text = (
        isinstance(operand, exp.Literal) and operand.is_string
    )  # of no type yet, and NULLIF would make it text
    nothing = exp.Null() if text else exp.Nullif(this=operand.copy(), expression=operand.copy())
    operand.replace(nothing)
    return changed


def is_small(operand: exp.Expr) -> bool:
    """Tell whether an operand may be computed twice: it guards nothing itself, and is a few operations."""
    parts = list(operand.walk())
    work = sum(isinstance(part, (exp.Func, exp.Binary)) for part in parts)
    return work <= SMALL and not any(isinstance(part, (exp.Case, exp.Query)) for part in parts)


def condition(node: exp.Expr) -> exp.Expr | None:
    """The condition under which an operation fails; None where it never does."""
    if isinstance(node, exp.Cast):
        type_ = exp.Cast(this=exp.Literal.string(write(node.to)), to=exp.DataType.build("text"))
        return exp.Not(this=call("castable", node.this.copy(), type_))
    first, *more = [exp.paren(operand.copy()) for operand in operands(node)]
    name = called(node)
    if isinstance(node, (exp.Div, exp.Mod)) or name == "mod":
        return exp.EQ(this=more[-1], expression=zero()) if more else None
    if isinstance(node, Prefix) or name == "sqrt":
        return exp.LT(this=first, expression=zero())
    if name in ("ln", "log", "log10"):
        return logarithm(operands(node))
    if isinstance(node, exp.Pow) or (name in ("power", "pow") and len(more) == 1):
        return power(*operands(node))
    if name == "exp":
        return exp.Not(this=call("has_exponential", first))
    if name in ("asin", "acos"):
        distance = call_of("abs", first)
        infinite = exp.cast(exp.Literal.string("Infinity"), exp.DType.DOUBLE)
        finite = exp.LTE(this=distance.copy(), expression=infinite)  # NaN is above it, and its angle is NaN
        return exp.and_(exp.GT(this=distance, expression=exp.Literal.number(1)), finite, copy=False)
    if name == "jsonb_array_length":
        return exp.NEQ(this=call_of("jsonb_typeof", first), expression=exp.Literal.string("array"))
    return None


def logarithm(arguments: list[exp.Expr]) -> exp.Expr | None:
    """Numbers that are not positive, and a base of one."""
    terms: list[exp.Expr] = [
        exp.LTE(this=exp.paren(part.copy()), expression=zero()) for part in arguments if not positive(part)
    ]
    base = arguments[0]
    if len(arguments) == 2 and not (positive(base) and float(base.name) != 1):
        terms.append(exp.EQ(this=exp.paren(base.copy()), expression=exp.Literal.number(1)))
    return exp.or_(*terms, copy=False) if terms else None


def power(base: exp.Expr, exponent: exp.Expr) -> exp.Expr | None:
    """Zero to a negative power, and a negative number to a fractional one."""
    terms = []
    whole = isinstance(exponent, exp.Literal) and exponent.is_int
    if not positive(base) and not positive(exponent):
        terms.append(
            exp.and_(
                exp.EQ(this=exp.paren(base.copy()), expression=zero()),
                exp.LT(this=exp.paren(exponent.copy()), expression=zero()),
                copy=False,
            )
        )
    if not positive(base) and not whole:
        fraction = exp.NEQ(this=exp.paren(exponent.copy()), expression=call_of("trunc", exponent.copy()))
        terms.append(exp.and_(exp.LT(this=exp.paren(base.copy()), expression=zero()), fraction, copy=False))
    return exp.or_(*terms, copy=False) if terms else None


def positive(node: exp.Expr) -> bool:
    """Tell whether a node is a literal above zero."""
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) > 0


def tried(node: exp.Expr, name: str) -> exp.Expr:
    """Call the function that catches the error; NULL from arguments that are not NULL is a failure."""
    arguments = operands(node)
    value = call(f"try_{name}", *(argument.copy() for argument in arguments))
    known = [
        exp.Not(this=exp.Is(this=exp.paren(argument.copy()), expression=exp.Null()))
        for argument in arguments
        if not isinstance(argument, exp.Literal)
    ]
    failed = exp.and_(*known, failure(node), copy=False, wrap=False)
    nothing = exp.Cast(this=exp.Null(), to=exp.DataType.build(TRIED[name], dialect="postgres"))
    return exp.Coalesce(this=value, expressions=[exp.Case().when(failed, nothing)])


def failure(node: exp.Expr, said: str | None = None) -> exp.Expr:
    """The call that notes a failure, and what went wrong."""
    written = node.meta.get(WRITTEN) or write(node)
    shown: list[exp.Expr] = []
    seen: set[str] = set()
    for read in node.find_all(exp.Column):
        if read.name not in COMPUTED and write(read) not in seen and len(seen) < SHOWN_COLUMNS:
            seen.add(write(read))
            shown += [exp.Literal.string(NUMBER.sub("", read.name)), read.copy()]
    return call(
        "failed",
        exp.Literal.string(node.meta.get(MODEL, "")),
        exp.Literal.string(written),
        exp.Literal.string(said or message(node)),
        exp.Anonymous(this="jsonb_build_object", expressions=shown),
    )


def message(node: exp.Expr) -> str:
    """Say what went wrong."""
    if isinstance(node, exp.Cast):
        return f"not a value of type {write(node.to).lower()}"
    name = OPERATORS.get(type(node)) or called(node)
    return MESSAGES.get(name, "a value that the function does not take")


OPERATORS: dict[type[exp.Expr], str] = {exp.Div: "mod", exp.Mod: "mod", exp.Pow: "power", Prefix: "sqrt"}
MESSAGES = {
    "mod": "division by zero",
    "sqrt": "square root of a negative number",
    "ln": LOGARITHM,
    "log": LOGARITHM,
    "log10": LOGARITHM,
    "power": POWER,
    "pow": POWER,
    "exp": "exponential out of range",
    "asin": "argument outside -1 to 1",
    "acos": "argument outside -1 to 1",
    "to_timestamp": "text that does not have this format",
    "to_date": "text that does not have this format",
    "decode": "text that cannot be decoded",
    "inet_aton": "not an address of four numbers",
}


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call one of the engine's functions."""
    return exp.Anonymous(this=f"millstream.{name}", expressions=list(arguments))


def call_of(name: str, argument: exp.Expr) -> exp.Expr:
    """Call one of PostgreSQL's functions."""
    return exp.Anonymous(this=name, expressions=[argument])


def zero() -> exp.Expr:
    """The number 0."""
    return exp.Literal.number(0)
