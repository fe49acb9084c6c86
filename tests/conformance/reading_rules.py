"""What RisingWave refuses in a query that is read once, as rules about its text: see rules.py for where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from millstream.compiler.dialect import DIALECT
from tests.conformance.rules import query_rules

ALLOWED = {
    "SELECT *",  # which is written out when a query is planned
    "a function that nobody has looked up: any",  # an operator
    "a function that nobody has looked up: all",
}


def refused_reads(text: str) -> Iterator[str]:
    """Yield everything that is wrong with a query, whose parameters are written $1 or ?."""
    tree = sqlglot.parse_one(text, dialect=DIALECT)
    for wrong in query_rules(tree, text):
        if wrong not in ALLOWED:
            yield wrong
    for clause in tree.find_all(exp.Limit, exp.Offset, exp.Fetch):
        if clause.find(exp.Parameter, exp.Placeholder, exp.Query):
            yield "LIMIT or OFFSET that is no constant"
    for unnest in tree.find_all(exp.Unnest):
        if len(unnest.expressions) > 1:
            yield "several lists in one unnest"
        join = unnest.find_ancestor(exp.Join)
        if join is not None and join.this is unnest and join.side:
            yield "an outer join with unnest"
    if re.search(r"for system_time as of", text, re.I):
        yield "a process-time join, which only a streaming job has"
    if re.search(r"\bfor (update|share)\b", text, re.I):
        yield "rows are not locked"
