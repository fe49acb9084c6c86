"""Structs as PostgreSQL has them: a composite type for each shape, called after it, which all columns of the shape share.

Two structs are of one type on RisingWave where their fields are; so they are here.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.quoting import DATA, quote, short
from millstream.compiler.dialect import write

Composites = dict[str, str]  # a composite type → its fields, both as SQL; inner ones first


def is_struct(kind: exp.Expr) -> bool:
    """Tell whether a type is a struct, or an array of structs."""
    return any(each.is_type("struct") for each in kind.find_all(exp.DataType))


def spelled(kind: exp.Expr, made: Composites) -> str:
    """A type as PostgreSQL's text; the composite types that it needs are added to `made`."""
    if not isinstance(kind, exp.DataType) or not is_struct(kind):
        return write(kind)
    if not kind.is_type("struct"):
        return f"{spelled(kind.expressions[0], made)}[]"
    fields = ", ".join(
        f"{quote(field.name)} {spelled(field.args['kind'], made)}" for field in kind.expressions
    )
    shape = fields.replace(f"{DATA}.", "")
    if all(field.name.isidentifier() for field in kind.find_all(exp.ColumnDef)):
        shape = shape.replace('"', "")
    name = f"{DATA}.{quote(short(f'struct<{shape}>'))}"
    made[name] = fields
    return name


def unnamed_field(kind: exp.Expr) -> exp.Expr | None:
    """The first field of a struct that is not a name and a type."""
    structs = [each for each in kind.find_all(exp.DataType) if each.is_type("struct")]
    fields: list[exp.Expr] = [field for struct in structs for field in struct.expressions]
    return next((f for f in fields if not isinstance(f, exp.ColumnDef) or f.args.get("kind") is None), None)
