"""Read one column of CREATE TABLE."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.dialect import write
from millstream.compiler.syntax.declarations.declared import ColumnDeclaration
from millstream.compiler.syntax.structs import Composites, is_struct, spelled, unnamed_field
from millstream.diagnostics import place, refuse

# types that RisingWave has and this engine cannot keep: the case of the refusal
UNKEPT = {
    exp.DataType.Type.JSON: "MS036/json",
    exp.DataType.Type.VECTOR: "MS036/vector",
    exp.DataType.Type.MAP: "MS036/map",
    exp.DataType.Type.SERIAL: "MS036/counter",
    exp.DataType.Type.BIGSERIAL: "MS036/counter",
    exp.DataType.Type.SMALLSERIAL: "MS036/counter",
}


def parse_column(
    item: exp.ColumnDef, keys: list[list[str]], made: Composites, path: str | None
) -> ColumnDeclaration:
    """Read one column: its type, NOT NULL, PRIMARY KEY, DEFAULT, AS IDENTITY, and AS expression for a generated one."""
    nullable, default, generated, identity = True, None, None, None
    for constraint in item.args.get("constraints") or []:
        kind = constraint.kind
        if isinstance(kind, exp.PrimaryKeyColumnConstraint):
            keys.append([item.name])
        elif isinstance(kind, exp.NotNullColumnConstraint):
            nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            default = write(kind.this)
        elif isinstance(kind, exp.GeneratedAsIdentityColumnConstraint) and kind.this is not None:
            nullable, identity = False, write(kind)
        elif isinstance(kind, exp.ComputedColumnConstraint) and isinstance(kind.this, exp.Expr):
            generated = write(kind.this.unnest())
        else:
            text = write(constraint)
            raise refuse("MS030/constraint", item, path=path, column=item.name, constraint=text)
    kind = declared_type(item, path)
    if identity is not None:
        check_identity(item, kind, default is not None or generated is not None, path)
    struct = write(kind) if is_struct(kind) else None
    return ColumnDeclaration(
        item.name, spelled(kind, made), nullable, default, generated, struct, identity, place(item)
    )


def check_identity(item: exp.ColumnDef, kind: exp.Expr, computed: bool, path: str | None) -> None:
    """Refuse an identity column that PostgreSQL cannot number."""
    if not kind.is_type(*exp.DataType.SIGNED_INTEGER_TYPES):
        raise refuse("MS030/identity type", item, path=path, column=item.name, type=write(kind).lower())
    if computed:
        raise refuse("MS030/identity with a value", item, item.name, path)


def declared_type(item: exp.ColumnDef, path: str | None) -> exp.Expr:
    """The type of a column. What PostgreSQL does not know of it is found when the table is made."""
    kind = item.args.get("kind")
    if not isinstance(kind, exp.Expr):
        raise refuse("MS030/no type", item, item.name, path)
    for type_ in kind.find_all(exp.DataType):
        if type_.this in UNKEPT:
            text = write(kind).lower()
            raise refuse(UNKEPT[type_.this], item, path=path, column=item.name, type=text)
    if (part := unnamed_field(kind)) is not None:
        raise refuse("MS030/struct field", item, path=path, column=item.name, field=write(part))
    return kind
