"""Set-returning functions that give no rows where a value makes them fail, as RisingWave's streams do; it is recorded.

    jsonb_array_elements(x)   becomes   jsonb_array_elements(CASE WHEN … IS TRUE THEN NULL ELSE x END)

where the condition is that x is no array, and notes the failure. They are strict: NULL for an argument gives no rows. A
series of more than a hundred thousand numbers or instants (engine/catalog/series.sql) counts as a failure too: one odd row must
not fill the disk.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.postgres.lenient import call, failure

JSON = {  # what a function takes apart
    "jsonb_array_elements": "array",
    "jsonb_array_elements_text": "array",
    "jsonb_each": "object",
    "jsonb_each_text": "object",
    "jsonb_object_keys": "object",
}


def guarded_elements(function: exp.Expr) -> exp.Expr:
    """Return a call whose argument is NULL where the function would fail, or would not end."""
    if not isinstance(function, exp.Anonymous) or not any(function.find_all(exp.Column)):
        return function
    name, arguments = function.name, function.expressions
    if name in JSON:
        kind = exp.Anonymous(this="jsonb_typeof", expressions=[arguments[0].copy()])
        bad = exp.NEQ(this=kind, expression=exp.Literal.string(JSON[name]))
        return with_argument(function, 0, bad, f"JSON that is not an {JSON[name]}")
    if name != "generate_series":
        return function
    at = next(n for n, argument in enumerate(arguments) if argument.find(exp.Column))
    ends = call("series_ends", *(argument.copy() for argument in arguments))
    return with_argument(
        function, at, exp.Not(this=ends), "a series without a step, without an end, or too long"
    )


def with_argument(function: exp.Anonymous, at: int, bad: exp.Expr, said: str) -> exp.Expr:
    """Put NULL in the place of an argument under a condition, and note that."""
    changed = function.copy()
    argument = changed.expressions[at]
    certain = exp.Is(this=exp.paren(bad), expression=exp.Boolean(this=True))
    failed = exp.and_(certain, failure(function, said), copy=False, wrap=False)
    argument.replace(exp.Case().when(failed, exp.Null()).else_(argument.copy()))
    return changed
