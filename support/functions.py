"""Every function over values, as the page lists them, and values that the engines are known to give differently."""

from __future__ import annotations

from millstream.compiler.dialect.spelling import COUNTED, SAME
from millstream.compiler.syntax.known_functions import INSTEAD, LACKING, UNTAKEN
from millstream.compiler.syntax.signatures import Signature, signatures
from millstream.compiler.syntax.uncertain import VOLATILE

DIFFERENT = (
    ("`array_length(x, 1)` of an empty array", "0", "NULL, as in PostgreSQL; `array_length(x)` and `cardinality(x)` are 0 on both"),
    ("arrays of arrays", "an array whose elements are arrays of any length", "one array of two dimensions; `x[1]` of it is NULL"),
    ("numeric", "28 digits; what has more is rounded, or NULL", "as many digits as there are; `1 / 3.0` shows other trailing digits"),
    ("numbers in jsonb", "double precision: `'2.5'::jsonb::int` is 2", "numeric: it is 3"),
    ("timestamptz as text", "`2024-05-17 10:20:30+00:00`", "`2024-05-17 10:20:30+00`; write `to_char(at, 'YYYY-MM-DD HH24:MI:SS')`"),
    ("text without a zone as timestamptz", "in the zone of the session; in a stream often NULL", "in UTC"),
    ("regular expressions", "those of Rust's regex", "PostgreSQL's; plain classes, groups, alternatives and `(?i)` are the same"),
    ("order in which doubles are added up", "as they come", "exact: the sum of numeric, rounded once; the last digits differ"),
    ("approx_count_distinct, approx_percentile", "within their error", "exact"),
)  # fmt: skip
"""(what, on RisingWave, on the embedded engine): from RisingWave's documentation and source at v3.0.3."""


def chapter() -> str:
    """The chapter of functions."""
    return "\n".join(
        (
            "\n## Every function over values\n",
            "RisingWave 3.0's functions, as its source declares them, with the types that they take. A test calls each form "
            "with NULLs of its types and compares the type of the result. Functions of PostgreSQL that are not here are refused (MS072), because "
            "RisingWave would refuse them.\n",
            "| function | embedded |",
            "|---|---|",
            *(line(name, forms) for name, forms in signatures().items()),
            "\n### Functions of PostgreSQL that RisingWave lacks\n",
            "| function | instead |",
            "|---|---|",
            *(f"| `{name}` | {cell(hint)} |" for name, hint in INSTEAD.items() if name not in signatures()),
            "\n### Values that differ\n",
            "Both engines keep the expression, and do not give the same value. The embedded engine answers as PostgreSQL does.\n",
            "| what | RisingWave | embedded |",
            "|---|---|---|",
            *(f"| {' | '.join(cell(part) for part in row)} |" for row in DIFFERENT),
            "",
        )
    )


def line(name: str, forms: tuple[Signature, ...]) -> str:
    """One function."""
    shown = ", ".join(f"`{form}`" for form in forms)
    return f"| {cell(shown)} | {cell(here(name, forms))} |"


def here(name: str, forms: tuple[Signature, ...]) -> str:
    """What the embedded engine makes of a function."""
    if name in LACKING:
        return f"MS079; {LACKING[name]}"
    if name in VOLATILE:
        return "MS013"
    if name == "now":
        return "in temporal filters"
    parts = [f"not {form}" for form in forms if str(form) in UNTAKEN]
    if name in SAME:
        ours = SAME[name].startswith("millstream.")
        parts.append("the engine's own" if ours else f"`{SAME[name]}`")
    if name in COUNTED:
        parts.append("with one argument the engine's own")
    return "; ".join(parts) or "PostgreSQL's"


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|")
