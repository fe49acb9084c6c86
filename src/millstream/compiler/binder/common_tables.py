"""WITH: the CTEs that a query declares, each bound anew wherever it is read."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.binder.scope import CommonTable, Scope
from millstream.diagnostics import refuse


def with_ctes(node: exp.Expr, scope: Scope) -> Scope:
    """Return the scope in which a query stands below its own WITH; each CTE sees those before it."""
    clause = node.args.get("with_")
    if clause is None:
        return scope
    path = scope.context.path
    if clause.args.get("recursive"):
        raise refuse("MS010", clause, "WITH RECURSIVE", path)
    declared: set[str] = set()
    for cte in clause.expressions:
        if cte.alias in declared:
            raise refuse("MS005", cte.args["alias"], f"{cte.alias} in WITH", path)
        declared.add(cte.alias)
        columns = tuple(identifier.name for identifier in cte.args["alias"].columns)
        scope = scope.below_cte(cte.alias, CommonTable(body_of(cte.this), columns, scope))
    return scope


def body_of(query: exp.Expr) -> exp.Expr:
    """Return the query of a CTE as it is written; of VALUES sqlglot makes SELECT * FROM (VALUES …) AS _values."""
    source = query.args.get("from_")
    if source is not None and isinstance(source.this, exp.Values) and source.this.alias == "_values":
        return source.this
    return query
