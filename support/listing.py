"""All groups, in the order of the page."""

from __future__ import annotations

from support import grouping, joining, naming, nesting, rows, timing
from support.construct import Group

GROUPS: tuple[Group, ...] = (
    rows.SELECT,
    naming.NAMES,
    rows.FUNCTIONS,
    rows.FAILURES,
    joining.JOINS,
    joining.SETS,
    nesting.SUBQUERIES,
    nesting.SETS,
    grouping.AGGREGATES,
    grouping.WINDOWS,
    grouping.TOP,
    timing.TIME,
)
