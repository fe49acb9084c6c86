"""Refuse clauses that the binder does not read: what is ignored would be silently wrong."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.dialect import write
from millstream.diagnostics import refuse

READ: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(
        (
            "with_",
            "expressions",
            "from_",
            "joins",
            "where",
            "group",
            "having",
            "distinct",
            "order",
            "limit",
            "offset",
            "windows",
        )
    ),
    exp.Table: frozenset(("this", "db", "catalog", "alias", "version")),
    exp.Join: frozenset(("this", "on", "side", "kind", "method", "using")),
    exp.Subquery: frozenset(("this", "alias")),
    exp.Values: frozenset(("expressions", "alias")),
    exp.Unnest: frozenset(("expressions", "alias", "offset")),
    exp.Group: frozenset(("expressions",)),
}


def refuse_unread(node: exp.Expr, path: str | None) -> None:
    """Raise a refusal for the first clause of a node that nothing reads."""
    for name, value in node.args.items():
        if not value or name in READ[type(node)]:
            continue
        first = value[0] if isinstance(value, list) else value
        place = first if isinstance(first, exp.Expr) else node
        label = write(first) if isinstance(first, exp.Expr) else name
        words = name.strip("_").replace("_", " ").upper()
        raise refuse("MS010", place, words if words in label.upper() else f"{words} {label}".strip(), path)
