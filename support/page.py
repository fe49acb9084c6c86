"""Write docs/sql-support.md from the list."""

from __future__ import annotations

import re

from millstream.diagnostics import CATALOGUE
from millstream.diagnostics.refusal import PIECE
from support import functions
from support.construct import FUNCTION, TABLES, Construct, Group, compiled, kept, on_risingwave
from support.listing import GROUPS

HEAD = """# What SQL is supported

Made by `python -m support > docs/sql-support.md`. A test deploys every example and compares it with PostgreSQL's
own answer after each of five ticks. A model is one SELECT in RisingWave's dialect, and both engines get the same text.

**Embedded** says how the embedded engine keeps the example, node by node from below
([how it works](decisions/0005-incremental-engine.md)):

| word | the change of the result is |
|---|---|
| linear | the query over the changed rows |
| bilinear | the changed rows of one side joined with the other side, for each side |
| invertible | added to stored counts and sums, or taken away from them |
| recompute | the affected keys computed again, and compared with what is stored |
| on act | computed when a row comes, with whatever is looked up as it was before that tick, and stored |
| time filter | in addition, the rows that the clock passed since the last tick |
| MS… | none: refused with this code ([below](#refusals)) |

**RisingWave** says what a streaming job of RisingWave 3.0 does with the same text, as its documentation (linked from each
section) and the expected results of its planner tests have it. Where a code stands there, the embedded engine could keep
the example and dbt refuses it all the same, because the model would not run in production; `config(portable=false)` lifts
that for a model that is never deployed there.

The examples read these tables and call this function, and `triple(amount)`, a Python function:

"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, code("\n".join(f"{ddl};" for ddl in (*TABLES.values(), FUNCTION))), "\n"]
    parts += [section(group) for group in GROUPS]
    parts.append(functions.chapter())
    parts.append(refusals())
    return "".join(parts)


def code(sql: str) -> str:
    """A block of SQL."""
    return f"```sql\n{sql}\n```\n"


def section(group: Group) -> str:
    """One group as a table."""
    lines = [
        f"\n## {group.title}\n\n[In RisingWave's documentation]({group.reference})\n",
        "| construct | example | embedded | RisingWave |",
        "|---|---|---|---|",
        *(row(construct) for construct in group.constructs),
    ]
    return "\n".join(lines) + "\n"


def row(construct: Construct) -> str:
    """One construct."""
    here = construct.refused or kept(compiled(construct.sql))
    if construct.note:
        here += f"; {construct.note}"
    return f"| {cell(construct.name)} | `{cell(construct.sql)}` | {cell(here)} | {cell(on_risingwave(construct))} |"


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|")


def shown(piece: re.Match[str]) -> str:
    """A piece of a text that the refusal fills in."""
    return "…" if piece[1] == "detail" else f"*{piece[1]}*"


def refusals() -> str:
    """Every code with its reason and what to write instead."""
    lines = [
        "\n## Refusals\n",
        "A refusal names the model's file, line and column:\n",
        "```text\nerror[MS014] sql/candidates/cand_trending.sql:7:9  now() in the SELECT list",
        "  why:  a view can only compare with now(), as one conjunct of WHERE or HAVING",
        "  hint: filter with  WHERE occurred_at > now() - INTERVAL '1 hour'\n```\n",
        "| code | what | why | instead |",
        "|---|---|---|---|",
    ]
    for number in sorted(key for key in CATALOGUE if "/" not in key):
        texts = [PIECE.sub(shown, text) for text in CATALOGUE[number]]
        lines.append(f"| {number} | {' | '.join(cell(text) for text in texts)} |")
    return "\n".join(lines) + "\n"
