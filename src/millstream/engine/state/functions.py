"""Python functions in the database: their types, and a declaration that models can call."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.errors import ParseError

from millstream.compiler.dialect import DIALECT, write
from millstream.compiler.postgres.names import quote, short
from millstream.compiler.syntax.structs import Composites, spelled, unnamed_field
from millstream.diagnostics import refuse
from millstream.engine.catalog.records import PythonFunction


def read_type(text: str) -> exp.DataType:
    """Read a type of RisingWave. Raises Refused for a struct with a field that is not a name and a type."""
    try:
        kind = exp.DataType.build(text, dialect=DIALECT, udt=True)
    except ParseError as error:
        raise refuse("MS031", None, text) from error
    if (part := unnamed_field(kind)) is not None:
        raise refuse("MS031", None, write(part).lower())
    return kind


def signature(arguments: Sequence[Sequence[str]], returns: str) -> tuple[list[str], str, Composites]:
    """The arguments and the result of a Python function as PostgreSQL's, and the composite types that they need."""
    made: Composites = {}
    listed = [f"{quote(argument)} {spelled(read_type(type_), made)}" for argument, type_ in arguments]
    return listed, spelled(read_type(returns), made), made


def declare_function(schema: str, name: str, listed: Sequence[str], result: str) -> str:
    """The statement that declares a Python function, so that models can call it."""
    return (
        f"CREATE FUNCTION {quote(schema)}.{quote(name)}({', '.join(listed)}) RETURNS {result} LANGUAGE plpgsql "
        "AS $f$ BEGIN RAISE EXCEPTION 'Python functions run in the worker, for materialized views only'; "
        "END $f$"
    )


def types_of_its_own(schema: str, name: str, function: PythonFunction) -> list[str]:
    """The types that an earlier release made for the structs of one function; now equal structs share one."""
    names = [f"{name}_result", *(f"{name}_{argument}" for argument, _ in function.arguments)]
    return [f"{quote(schema)}.{quote(short(each))}" for each in names]
