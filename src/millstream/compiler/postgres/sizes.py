"""How long a value is, and whether that is short enough for an index (fitting.py)."""

from __future__ import annotations

from millstream.compiler.algebra.operators import Fit
from millstream.compiler.postgres.identity import named
from millstream.compiler.postgres.names import string

SIZES = {
    **dict.fromkeys(("text", "character varying", "character", "bytea"), "octet_length({0})"),
    "numeric": "octet_length(numeric_send({0}))",
    "jsonb": "octet_length({0}::text)",
}


def size(value: str, type_: str) -> str:
    """How long a value is; NULL has no length."""
    return f"coalesce({SIZES.get(named(type_), 'millstream.bytes_of({0})').format(value)}, 0)"


def fits(fit: Fit) -> str:
    """The condition of an index that a value is short enough for it."""
    return f"{size(fit.value, fit.type)} <= {fit.bytes}"


def fits_or_counts(fit: Fit, value: str) -> str:
    """The condition that a value is short enough, where it has another name than in the index; a longer one is noted."""
    label = string(fit.value.replace('"', ""))
    noted = (
        f"millstream.failed({string(fit.model)}, {label}, 'too long for an index', "
        f"jsonb_build_object({label}, left({value}::text, 100)))"
    )
    return f"CASE WHEN {size(value, fit.type)} <= {fit.bytes} THEN true ELSE NOT {noted} END"
