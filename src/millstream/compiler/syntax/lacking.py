"""Refuse what RisingWave computes and PostgreSQL cannot: functions of maps and vectors, types without a counterpart."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.dialect import called, write
from millstream.compiler.syntax.known_functions import LACKING, MAPS, VECTORS
from millstream.diagnostics import refuse

TYPES: dict[exp.DType, str] = {
    exp.DType.MAP: MAPS,
    exp.DType.VECTOR: VECTORS,
}
OF_TWO = {"rw_int256": "use numeric, which is exact and has no limit that matters"}  # types by name


def refuse_lacking(node: exp.Expr, path: str | None) -> None:
    """Raise the refusal of a call or a type that only RisingWave has."""
    if called(node) in LACKING:
        raise refuse("MS079", node, called(node), path, instead=LACKING[called(node)])
    if isinstance(node, exp.DataType):
        named = str(node.args.get("kind") or "").lower()
        hint = TYPES.get(node.this) if isinstance(node.this, exp.DType) else None
        hint = hint or OF_TWO.get(named)
        if hint is not None:
            raise refuse("MS073", node.parent or node, write(node).lower(), path, instead=hint)
