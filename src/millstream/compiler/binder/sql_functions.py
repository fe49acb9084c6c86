"""SQL functions: read CREATE FUNCTION … LANGUAGE sql, and put the body in place of every call, as RisingWave does.

A call is its body with the arguments, cast to the declared types, in place of the parameters, and the result cast to the
declared type. So a function may be used wherever its body may: what the compiler refuses there, it refuses in the body.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from millstream.compiler.binder.scope import Catalog, SqlFunction
from millstream.compiler.dialect import DIALECT, write
from millstream.compiler.syntax.aggregate_calls import has_aggregates
from millstream.compiler.syntax.calls import function_name
from millstream.compiler.syntax.identifiers import check_names, fold
from millstream.diagnostics import refuse

DEEPEST = 16  # calls within calls; a function cannot call itself


def parse_function(ddl: str, path: str | None = None) -> SqlFunction:
    """Read CREATE FUNCTION name(parameter type, …) RETURNS type LANGUAGE sql AS 'SELECT expression'."""
    try:
        create = check_names(fold(sqlglot.parse_one(ddl, dialect=DIALECT)), path)
    except (ParseError, TokenError, TypeError) as error:  # sqlglot stumbles over RETURNS DEFAULT
        raise refuse("MS001", None, str(error).splitlines()[0], path) from error
    if not isinstance(create, exp.Create) or not isinstance(create.this, exp.UserDefinedFunction):
        raise refuse("MS059", None, "a declaration that is not CREATE FUNCTION", path)
    properties = create.args.get("properties")
    found = properties.expressions if properties is not None else []
    returns = next(
        (p.this for p in found if isinstance(p, exp.ReturnsProperty) and not p.args.get("is_table")), None
    )
    language = next((p.name.lower() for p in found if isinstance(p, exp.LanguageProperty)), "")
    target = create.this.this
    if language != "sql" or not isinstance(returns, exp.DataType):
        raise refuse(
            "MS059", None, f"{target.name}, which is not a function of LANGUAGE sql that RETURNS a type", path
        )
    if any(isinstance(p, exp.StrictProperty) for p in found):
        raise refuse("MS059", None, f"{target.name} with STRICT", path)
    parameters = tuple(
        (part.name, write(part.args["kind"]))
        if isinstance(part, exp.ColumnDef) and part.args.get("kind") is not None
        else ("", part.name)
        for part in create.this.expressions
    )
    body = expression_of(create.expression, target.name, path)
    known = {name for name, _ in parameters}
    for column in body.find_all(exp.Column):
        if column.name not in known or column.table not in ("", target.name):
            raise refuse("MS059", None, f"{target.name}, whose body reads {write(column)}", path)
    return SqlFunction(
        target.db or None,
        target.name,
        parameters,
        write(returns),
        write(body),
    )


def expression_of(body: exp.Expr | None, name: str, path: str | None) -> exp.Expr:
    """The one expression that a function's body computes."""
    if isinstance(body, exp.Return):
        returned: exp.Expr = body.this
        return returned
    text = body.name if isinstance(body, (exp.Literal, exp.Heredoc)) else ""
    try:
        select = check_names(fold(sqlglot.parse_one(text or "select", dialect=DIALECT)), path)
    except (ParseError, TokenError) as error:
        raise refuse("MS001", None, str(error).splitlines()[0], path) from error
    plain = isinstance(select, exp.Select) and len(select.expressions) == 1
    if not plain or any(value for key, value in select.args.items() if key not in ("expressions", "kind")):
        raise refuse("MS059", None, f"{name}, whose body is not one SELECT expression", path)
    found: exp.Expr = select.expressions[0].unalias()
    if found.find(exp.Query, exp.Window, exp.Star) or has_aggregates(found):
        raise refuse("MS059", None, f"{name}, whose body reads other rows", path)
    return found


def inline(query: exp.Expr, functions: Catalog, path: str | None = None) -> exp.Expr:
    """Replace the calls of SQL functions in a query, also those in the bodies that come in."""

    def expand(depth: int, node: exp.Expr) -> exp.Expr:
        named = function_name(node)
        function = functions.sql_function(*named) if named is not None else None
        if named is None or function is None:
            return node
        call = node.expression if isinstance(node, exp.Dot) else node
        if len(call.expressions) != len(function.parameters):
            detail = f"{function.name} with {len(call.expressions)} arguments for {len(function.parameters)}"
            raise refuse("MS059", node, detail, path)
        if depth > DEEPEST:
            raise refuse("MS059", node, f"{function.name}, which calls itself", path)
        arguments = [argument.transform(lambda inner: expand(depth, inner)) for argument in call.expressions]
        body = applied(function, arguments)
        expanded = body.transform(lambda inner: expand(depth + 1, inner), copy=False)
        unnamed = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        return exp.alias_(expanded, function.name, quoted=True) if unnamed else expanded

    changed: exp.Expr = query.transform(lambda node: expand(0, node))
    return changed


def applied(function: SqlFunction, arguments: list[exp.Expr]) -> exp.Expr:
    """The body of a function with arguments in place of its parameters."""
    values = [
        exp.cast(argument, type_, dialect=DIALECT)
        for argument, (_, type_) in zip(arguments, function.parameters, strict=True)
    ]
    by_name = {name: value for (name, _), value in zip(function.parameters, values, strict=True) if name}

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            return by_name[node.name].copy()
        if isinstance(node, exp.Parameter) and node.name.isdigit() and 0 < int(node.name) <= len(values):
            return values[int(node.name) - 1].copy()
        return node

    body = sqlglot.parse_one(function.body, dialect=DIALECT).transform(change)
    return exp.cast(exp.paren(body), function.returns, dialect=DIALECT)
