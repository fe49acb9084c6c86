"""Refuse functions and operators that PostgreSQL has and RisingWave has not, with what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from sqlglot import exp

from millstream.compiler.binder.scope import Catalog, SqlFunction
from millstream.compiler.binder.written_types import Known, column_types, type_name, typed
from millstream.compiler.dialect import DIALECT, Infix, Worded, called, write
from millstream.compiler.portable.types import of_type
from millstream.compiler.syntax.aggregate_calls import AGGREGATES
from millstream.compiler.syntax.calls import function_name
from millstream.compiler.syntax.known_functions import (
    FIELDS,
    INSTEAD,
    LACKING,
    REGEXP_FLAGS,
    SETS,
    UNITS,
    VARIADIC,
)
from millstream.compiler.syntax.signatures import Signature, fits, signatures
from millstream.compiler.syntax.time_formats import FORMATTED, unlike
from millstream.diagnostics import refuse
from millstream.errors import Refused

ELSEWHERE = ("proctime", "row")  # no functions: bound elsewhere, or syntax
OPERATORS = frozenset(
    [
        "&",
        "|",
        "#",
        "<<",
        ">>",
        "^@",
        "~",
        "~~",
        "~~*",
        "!~",
        "!~~",
        "!~~*",
        "#-",
        "#>",
        "#>>",
        "?",
        "?|",
        "?&",
        "@>",
        "<@",
        "&&",
        "@?",
        "@@",
        "<->",
        "<=>",
        "<+>",
        "<#>",
    ]
)
INTEGERS = ("smallint", "integer", "bigint")
FORMAT_HINT = (
    "use YYYY, MM, DD, HH24, MI, SS, MS and US, Mon for a name, and extract(isodow from at) for the like"
)


def of_expressions(select: exp.Select, catalog: Catalog, path: str | None) -> Iterator[Refused]:
    """Yield a refusal for everything in the expressions of one SELECT that RisingWave would not compute."""
    known = column_types(select, catalog)
    for node in select.walk(prune=lambda node: isinstance(node, exp.Query) and node is not select):
        if isinstance(node, (exp.Anonymous, Worded, exp.Coalesce)) and not is_declared(node, catalog):
            yield from of_call(node, known, path)
        elif isinstance(node, exp.Anonymous) and (function := declared(node, catalog)) is not None:
            yield from of_own(node, function, known, path)
        elif isinstance(node, exp.Extract):
            yield from of_unit(node, node.this.name, FIELDS, "extract", path)
        elif isinstance(node, exp.DataType):
            yield from of_type(node, path)
        else:
            yield from of_syntax(node, known, path)


def named_by(node: exp.Expr) -> tuple[str | None, str] | None:
    """The schema and name of the function that a call names."""
    whole = node.parent if is_qualified(node) else node
    return function_name(whole) if whole is not None else None


def declared(node: exp.Expr, catalog: Catalog) -> SqlFunction | None:
    """The SQL function of the project that is called."""
    named = named_by(node)
    return catalog.sql_function(*named) if named is not None else None


def of_own(node: exp.Anonymous, function: SqlFunction, known: Known, path: str | None) -> Iterator[Refused]:
    """A call of a SQL function of the project, whose arguments RisingWave casts only where nothing is lost."""
    types = [typed(argument, known) for argument in node.expressions]
    takes = [
        type_name(exp.DataType.build(type_, dialect=DIALECT)) or "any" for _, type_ in function.parameters
    ]
    form = Signature(function.name, tuple(takes), "any")
    if len(types) == len(takes) and not fits(form, types):
        shown = ", ".join(type_ or "?" for type_ in types)
        call = f"{function.name}({shown})"
        yield refuse("MS072", node, call, path, instead=f"it takes  {form}; cast the arguments")


def is_declared(node: exp.Expr, catalog: Catalog) -> bool:
    """Tell whether a call is of a function that the project declares, or stands where none is called."""
    named = named_by(node)
    if named is None:
        return False
    of_project = declared(node, catalog) is not None or catalog.is_python(*named)
    return of_project or isinstance(node.parent, (exp.Table, exp.Lateral, exp.Version))


def is_qualified(node: exp.Expr) -> bool:
    """Tell whether a call names the schema of the function."""
    return isinstance(node.parent, exp.Dot) and node.arg_key == "expression"


def of_call(node: exp.Expr, known: Known, path: str | None) -> Iterator[Refused]:
    """A call that no form of RisingWave's function takes."""
    name = "coalesce" if isinstance(node, exp.Coalesce) else called(node)
    if is_qualified(node):
        yield refuse("MS072", node, f"{node.name} of a schema", path, instead=f"write  {node.name}")
        return
    if not name or name in AGGREGATES or name in SETS or name in LACKING or name in ELSEWHERE:
        return
    arguments = list(node.expressions)
    forms = signatures().get(name)
    if isinstance(node, exp.Coalesce):
        return
    if forms is None:
        yield refuse("MS072", node, name, path, instead=remedy(name))
        return
    for argument in arguments:
        if isinstance(argument, exp.Kwarg):
            yield refuse("MS074/named argument", node, argument.this.name, path)
            return
    if any(isinstance(argument, exp.Variadic) for argument in arguments):
        if name not in VARIADIC:
            yield refuse("MS072/variadic", node, name, path)
        return
    types = [typed(argument, known) for argument in arguments]
    if not any(fits(form, types) for form in forms) or is_pattern(name, node):
        shown = ", ".join(type_ or "?" for type_ in types)
        takes = " or ".join(dict.fromkeys(str(form) for form in forms))
        hint = INSTEAD.get(name) or f"it takes  {takes}"
        yield refuse("MS072", node, f"{name}({shown})", path, instead=hint)
        return
    if name in ("date_trunc", "date_part") and is_text(arguments[0]):
        yield from of_unit(node, arguments[0].name, UNITS if name == "date_trunc" else FIELDS, name, path)
    if name in FORMATTED and is_text(arguments[-1]) and (part := unlike(arguments[-1].name)) is not None:
        yield refuse("MS074", node, f"{part} in a format of {name}", path, instead=FORMAT_HINT)
    flags = arguments[REGEXP_FLAGS[name] :][-1:] if name in REGEXP_FLAGS else []
    if flags and is_text(flags[0]) and set(flags[0].name) - set("cig"):
        yield refuse("MS074/flags", node, path=path, flags=flags[0].name, function=name)


def is_pattern(name: str, node: exp.Expr) -> bool:
    """Tell whether substring is given a text where RisingWave has a position."""
    positions = node.expressions[1:] if name in ("substring", "substr") else []
    similar = isinstance(node, Worded) and "SIMILAR" in node.args["words"]
    return similar or any(is_text(position) for position in positions)


def is_text(node: exp.Expr) -> bool:
    """Tell whether a node is a text literal."""
    return isinstance(node, exp.Literal) and bool(node.is_string)


def remedy(name: str) -> str:
    """What to write instead of a function that RisingWave lacks."""
    if name in INSTEAD:
        return INSTEAD[name]
    close = get_close_matches(name, {*signatures(), *AGGREGATES} - {name}, 3, 0.7)
    return (
        f"did you mean {' or '.join(close)}?" if close else "compute it from functions that both engines have"
    )


def of_unit(
    node: exp.Expr, unit: str, known: frozenset[str], name: str, path: str | None
) -> Iterator[Refused]:
    """A field or unit that RisingWave spells otherwise or lacks."""
    if unit.lower() not in known:
        close = get_close_matches(unit.lower(), sorted(known), 1)
        hint = f"write  {close[0]}" if close else f"use one of {', '.join(sorted(known))}"
        yield refuse("MS074", node, f"{name} of {unit}", path, instead=hint)


def is_bytes_of_integer(*types: str | None) -> bool:
    """Tell whether a cast between two types is that of an integer as bytes, which PostgreSQL 18 has."""
    return "bytea" in types and any(type_ in INTEGERS for type_ in types)


def of_syntax(node: exp.Expr, known: Known, path: str | None) -> Iterator[Refused]:
    """Operators and literals that RisingWave does not read."""
    found: tuple[str, str] | None = None
    if isinstance(node, Infix) and node.args["operator"] not in OPERATORS:
        operator = node.args["operator"]
        of_case = {"~*": "text ~ '(?i)pattern'", "!~*": "text !~ '(?i)pattern'"}.get(operator)
        found = (
            f"operator {operator}",
            f"write  {of_case}" if of_case else "write it with the plain operator",
        )
    elif isinstance(node, exp.Between) and node.args.get("symmetric"):
        found = ("BETWEEN SYMMETRIC", "write  between least(a, b) and greatest(a, b)")
    elif isinstance(node, exp.Cast) and is_bytes_of_integer(typed(node.this, known), typed(node, known)):
        found = (f"cast {write(node)}", "write  decode(lpad(to_hex(x), 8, '0'), 'hex')  for bytes")
    elif isinstance(node, exp.Overlaps):
        found = ("OVERLAPS", "compare the ends:  a.start < b.end and b.start < a.end")
    elif isinstance(node, exp.Interval) and isinstance(node.args.get("unit"), exp.IntervalSpan):
        found = (write(node), "write  interval '1 year 2 months'")
    elif isinstance(node, (exp.HexString, exp.BitString)):
        found = (f"bits {write(node)}", "use a number, such as 0x1f, or bytes, such as '\\x1f'::bytea")
    elif isinstance(node, (exp.UnicodeString, exp.National)):
        found = (f"literal {write(node)}", "write the letters themselves, or E'\\u00e4'")
    elif isinstance(node, exp.Collate) and node.expression.name not in ("C", "POSIX"):
        found = (
            f"COLLATE {node.expression.name}",
            "texts are compared byte by byte; compare lower(x) where case matters",
        )
    elif isinstance(node, exp.Bracket) and (
        typed(node.this, known) == "jsonb" or any(is_text(key) for key in node.expressions)
    ):
        found = ("subscript of jsonb", "write  document -> 'key'")
    if found is not None:
        construct, instead = found
        yield refuse("MS074", node, construct, path, instead=instead)
