"""UNION CORRESPONDING [BY (…)] as a plain UNION: each branch shows the columns of one name on both sides, in one order."""

from __future__ import annotations

from sqlglot import exp

from millstream.diagnostics import refuse

SPELLED_OUT = "spelled_out"  # meta: the set operation was written with CORRESPONDING


def spell_out(tree: exp.Expr, path: str | None) -> None:
    """Rewrite every CORRESPONDING in a statement in place. Refuses the forms of other dialects, which mean something else."""
    for node in list(tree.find_all(exp.SetOperation)):
        if not node.args.get("by_name") and not node.args.get("side"):
            continue
        if node.args.get("side") or str(node.args.get("kind")).upper() != "INNER":
            raise refuse("MS010", node.right, f"{node.key.upper()} BY NAME", path)
        names = shared(node, path)
        for place, branch in (("this", node.left), ("expression", node.right)):
            source = exp.Subquery(this=branch.copy(), alias=exp.TableAlias(this=exp.to_identifier(place)))
            node.set(place, exp.select(*(exp.column(name.copy()) for name in names)).from_(source))
        for clause in ("by_name", "kind", "on"):
            node.set(clause, None)
        node.meta[SPELLED_OUT] = True


def shared(node: exp.SetOperation, path: str | None) -> list[exp.Identifier]:
    """The columns to show: those listed, or those that both branches have in the order of the left one."""
    left, right = ({meant(label): label for label in labels(branch)} for branch in (node.left, node.right))
    listed = [column.this for column in node.args.get("on") or []]
    for name in listed:
        if meant(name) not in left or meant(name) not in right:
            raise refuse("MS022", name, f"CORRESPONDING BY {name.name}, which a branch has not", path)
    found = [left[meant(name)] for name in listed] or [left[name] for name in left if name in right]
    if not found:
        raise refuse("MS022", node.right, "CORRESPONDING, and no column of one name", path)
    return found


def labels(query: exp.Expr) -> list[exp.Identifier]:
    """The names of a query's columns."""
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    found = []
    for item in query.expressions:
        name = item.args.get("alias") if isinstance(item, exp.Alias) else item.this
        found.append(name if isinstance(name, exp.Identifier) else exp.to_identifier(item.alias_or_name))
    return found


def meant(label: exp.Identifier) -> str:
    """A name as it counts: case does not, unless it is quoted."""
    return label.name if label.args.get("quoted") else label.name.lower()
