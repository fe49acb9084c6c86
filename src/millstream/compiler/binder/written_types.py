"""The type of an expression as it is written, before names are bound; None where it is not certain."""

from __future__ import annotations

from functools import partial

from sqlglot import exp

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import Catalog
from millstream.compiler.dialect import Prefix, Worded, called
from millstream.compiler.syntax.signatures import CLASSES, WIDER, fits, result, signatures
from millstream.compiler.syntax.types import PREDICATES, SPELLED

Known = dict[str, str | None]  # name, and alias.name, of a column → PostgreSQL's name of its type
Typed = list[tuple[exp.Expr, Known]]
NUMBERS = WIDER[0]
WORDED = {"position": "strpos"}  # calls with words between the arguments that have a form without


def column_types(select: exp.Select, catalog: Catalog) -> Known:
    """The types of the columns of the relations in a FROM clause; of a name that several have, none."""
    found: Known = {}
    sources = [select.args["from_"].this] if select.args.get("from_") else []
    for table in [*sources, *(join.this for join in select.args.get("joins") or [])]:
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
            continue
        relation = catalog.relation(table.db or None, table.name)
        for name, type_, _ in relation.columns if isinstance(relation, Relation) else ():
            found[f"{table.alias_or_name}.{name}"] = type_
            found[name] = None if name in found else type_
    return found


def typed_nodes(tree: exp.Expr, catalog: Catalog) -> Typed:
    """All nodes of a statement with the types of the columns that they can name; those of inner queries come last."""
    found: Typed = [(node, {}) for node in tree.walk(prune=lambda node: isinstance(node, exp.Select))]
    for select in tree.find_all(exp.Select):
        known = column_types(select, catalog)
        found += [(node, known) for node in select.walk(prune=partial(is_other_query, select))]
    return found


def is_other_query(select: exp.Select, node: exp.Expr) -> bool:
    """Tell whether a node below a SELECT is a query of its own."""
    return isinstance(node, exp.Query) and node is not select


def typed(node: exp.Expr, known: Known) -> str | None:
    """PostgreSQL's name of the type of an expression; None where it is not certain, and of a text literal."""
    node = node.unnest()
    if isinstance(node, exp.Column):
        return known.get(f"{node.table}.{node.name}" if node.table else node.name)
    if isinstance(node, exp.Cast):
        return type_name(node.to)
    if isinstance(node, exp.Literal):
        return None if node.is_string else number(node.name)
    if isinstance(node, PREDICATES):
        return "boolean"
    if isinstance(node, exp.JSONExtract):
        return "jsonb"
    if isinstance(node, exp.JSONExtractScalar):
        return "text"
    if isinstance(node, (exp.Neg, Prefix)):
        return typed(node.this, known)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        return wider(typed(node.left, known), typed(node.right, known))
    if isinstance(node, (exp.Anonymous, Worded)):
        types = [typed(argument, known) for argument in node.expressions]
        forms = signatures().get(WORDED.get(called(node), called(node)), ())
        return result([form for form in forms if fits(form, types)], types)
    return None


def type_name(type_: exp.DataType) -> str | None:
    """PostgreSQL's name of a type."""
    if type_.is_type(exp.DType.ARRAY) and type_.expressions:
        inner = type_name(type_.expressions[0])
        return inner if inner is None or inner.endswith("[]") else f"{inner}[]"
    return (
        SPELLED.get(type_.this.name) if isinstance(type_.this, exp.DType) and not type_.expressions else None
    )


def number(text: str) -> str:
    """The type of a number that is written out."""
    if not text.isdigit():
        return "numeric"
    value = int(text)
    return "integer" if value < 2**31 else "bigint" if value < 2**63 else "numeric"


def wider(left: str | None, right: str | None) -> str | None:
    """The type of arithmetic over two numbers."""
    if left not in NUMBERS or right not in NUMBERS:
        return None
    both = sorted((left, right), key=NUMBERS.index)
    if both[1] in CLASSES["*float"] and both[0] != both[1]:
        return "double precision"
    return both[1]
