"""Refuse what RisingWave computes and PostgreSQL cannot: functions of maps and vectors, types without a counterpart."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.binder.known_functions import LACKING, MAPS, VECTORS
from millstream.compiler.dialect import called, write
from millstream.diagnostics import place
from millstream.errors import Diagnostic, Refused

TYPES: dict[exp.DType, str] = {
    exp.DType.STRUCT: "give each field a column of its own, or build a jsonb object with jsonb_build_object",
    exp.DType.MAP: MAPS,
    exp.DType.VECTOR: VECTORS,
}
OF_TWO = {"rw_int256": "use numeric, which is exact and has no limit that matters"}  # types by name


def refuse_lacking(node: exp.Expr, path: str | None) -> None:
    """Raise the refusal of a call or a type that only RisingWave has."""
    if called(node) in LACKING:
        raise lacking("MS079", node, f"function {called(node)}", LACKING[called(node)], path)
    if isinstance(node, exp.DataType):
        named = str(node.args.get("kind") or "").lower()
        hint = TYPES.get(node.this) if isinstance(node.this, exp.DType) else None
        hint = hint or OF_TWO.get(named)
        if hint is not None:
            raise lacking("MS073", node.parent or node, f"type {write(node).lower()}", hint, path)


def lacking(code: str, node: exp.Expr, construct: str, hint: str, path: str | None) -> Refused:
    """Make the refusal of something that only RisingWave has."""
    why = "RisingWave has it, and PostgreSQL, which computes the model on the embedded engine, has not"
    return Refused(Diagnostic(code, construct, why, hint, path, *place(node)))
