"""Render a plan as one SELECT. Attribute names are unique, so no reference needs a qualifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.fallible import is_fallible
from millstream.compiler.algebra.operators import (
    ROW_WISE,
    Aggregate,
    Filter,
    First,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    Side,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
)
from millstream.compiler.dialect import write
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.elements import guarded_elements
from millstream.compiler.postgres.identity import as_text, is_strict, loose, same
from millstream.compiler.postgres.join import render_join
from millstream.compiler.postgres.layout import clause, lines, listing, nested, union_all, where
from millstream.compiler.postgres.names import changes, quote, table
from millstream.compiler.postgres.scalar import scalar
from millstream.compiler.postgres.sizes import fits, fits_or_counts

Images = Mapping[int, str]  # scan instance → the FROM item to read in place of its relation
Describe = Callable[[str], list[str]]  # a SELECT → the PostgreSQL types of its columns


def render(plan: Plan, images: Images | None = None) -> str:
    """Return the SELECT whose columns are the plan's attributes by name."""
    images = images or {}
    match plan:
        case Scan():
            return render_scan(plan, images)
        case Values():
            return render_values(plan)
        case Filter():
            return lines("SELECT *", rows_of(plan.input, images), where([scalar(plan.predicate)]))
        case TimeFilter():
            return lines("SELECT *", rows_of(plan.input, images), where([scalar(plan.predicate, plan.clock)]))
        case Project():
            return render_project(plan, images)
        case Join():
            return render_join(plan, render(plan.left, images), render(plan.right, images))
        case Unnest():
            return render_unnest(plan, images)
        case Lateral():
            return render_lateral(plan, images)
        case UnionAll():
            return union_all(render_branch(plan, branch, images) for branch in plan.inputs)
        case First():
            order = clause("ORDER BY", [scalar(term) for term in plan.order])
            return lines("SELECT *", rows_of(plan.input, images), order, f"LIMIT {plan.count}")
        case Aggregate():
            return render_aggregate(plan, images)
        case Window():
            return render_window(plan, images)
        case UdfProject():
            raise TypeError("Python functions are called by the worker, not by PostgreSQL")


def rows_of(plan: Plan, images: Images) -> str:
    """The FROM clause that reads a plan as `s`."""
    return f"FROM {nested(render(plan, images))} AS s"


def render_scan(scan: Scan, images: Images) -> str:
    """Read stored rows, or this tick's changes of them; a guard hides the groups that HAVING removed."""
    items = [
        f"t.{quote(stored)} AS {quote(a.name)}" for a, stored in zip(scan.columns, scan.names, strict=True)
    ]
    conditions = [f"t.{quote(scan.relation.guard)}"] if scan.relation.guard else []
    for fit in scan.fits:
        counted = scan.side is Side.DELTA and scan.instance not in images
        conditions.append(fits_or_counts(fit, fit.value) if counted else fits(fit))
    if scan.instance in images:
        source = images[scan.instance]
    elif scan.side is Side.DELTA:
        source = changes(scan.relation.name)
    elif scan.side is Side.PREVIOUS:
        source = previous(scan)
    else:
        source = table(scan.relation.name)
    return lines(clause("SELECT", items), f"FROM {source} AS t", where(conditions))


def previous(scan: Scan) -> str:
    """The rows as they were before this tick: without what it added, with what it removed.

    Of a row in a bag there were as many before as there are now, less its weight.
    """
    relation = scan.relation
    names = [quote(name) for name in (*scan.names, *((relation.guard,) if relation.guard else ()))]
    now, changed = table(relation.name), changes(relation.name)
    match_on = " AND ".join(f"d.{quote(key)} = s.{quote(key)}" for key in relation.key)
    bag = relation.key == (HASH,)
    if bag and loose(columns := [(quote(name), type_) for name, type_, _ in relation.columns]):
        match_on += f" AND {same(columns, 'd', 's')}"
    touched = f"SELECT 1 FROM {changed} AS d WHERE {match_on}" + ("" if bag else f" AND d.{WEIGHT} > 0")
    before = f"(SELECT count(*) FROM {now} AS s WHERE {match_on}) - d.{WEIGHT}" if bag else f"-d.{WEIGHT}"
    untouched = lines(clause("SELECT", names), f"FROM {now} AS s", f"WHERE NOT EXISTS ({touched})")
    undone = lines(
        clause("SELECT", [f"d.{name}" for name in names]),
        f"FROM {changed} AS d",
        f"CROSS JOIN generate_series(1, {before}) AS g",
    )
    return nested(union_all([untouched, undone]))


def render_project(plan: Project, images: Images) -> str:
    """Computed columns.

    PostgreSQL writes an expression again wherever the columns above name it: guarded casts of casts, as a raw message
    has them, would be computed dozens of times a row. OFFSET 0 has it compute them once. Only over changes, of which all
    are read: over stored rows it would keep a condition away from its index.
    """
    items = [f"{scalar(e)} AS {quote(a.name)}" for a, e in plan.items]
    once = any(is_fallible(node) for _, e in plan.items for node in e.walk()) and reads_changes(plan)
    return lines(clause("SELECT", items), rows_of(plan.input, images), "OFFSET 0" if once else "")


def reads_changes(plan: Plan) -> bool:
    """Tell whether a plan computes row by row what changed in this tick."""
    while isinstance(plan, ROW_WISE):
        plan = plan.input
    return isinstance(plan, Scan) and plan.side is Side.DELTA


def render_values(plan: Values) -> str:
    """Constant rows; PostgreSQL has no VALUES without columns."""
    if not plan.columns:
        return " UNION ALL ".join("SELECT" for _ in plan.rows)
    rows = clause("VALUES", [f"({listing([scalar(value) for value in row])})" for row in plan.rows])
    return lines("SELECT *", f"FROM ({rows}) AS v ({listing([quote(a.name) for a in plan.columns])})")


def render_unnest(plan: Unnest, images: Images) -> str:
    """CROSS or LEFT JOIN LATERAL of set-returning functions, several of them in step, elements in their order."""
    made = [attribute for each in plan.elements for attribute in each]
    names = [quote(a.name) for a in (*made, *([plan.ordinality] if plan.ordinality else []))]
    calls = [scalar(guarded_elements(call)) for call in plan.calls]
    function = calls[0] if len(calls) == 1 else f"ROWS FROM ({listing(calls)})"
    ordinality = " WITH ORDINALITY" if plan.ordinality else ""
    word, on = ("LEFT JOIN", " ON true") if plan.outer else ("CROSS JOIN", "")
    return lines(
        "SELECT *",
        rows_of(plan.input, images),
        f"{word} LATERAL {function}{ordinality} AS u({listing(names)}){on}",
    )


def render_lateral(plan: Lateral, images: Images) -> str:
    """CROSS or LEFT JOIN LATERAL of a plan that reads the columns beside it by their names."""
    word, on = ("LEFT JOIN", " ON true") if plan.outer else ("CROSS JOIN", "")
    return lines(
        "SELECT *", rows_of(plan.input, images), f"{word} LATERAL {nested(render(plan.rows))} AS l{on}"
    )


def render_branch(union: UnionAll, branch: Plan, images: Images) -> str:
    """One branch of a UNION ALL under the union's column names."""
    items = [
        f"{quote(b.name)} AS {quote(u.name)}" for b, u in zip(branch.columns, union.columns, strict=True)
    ]
    return lines(clause("SELECT", items), rows_of(branch, images))


def render_aggregate(plan: Aggregate, images: Images) -> str:
    """GROUP BY; with no aggregates it is DISTINCT. A pinned key does not group: it would have the rows sorted by it."""
    grouped = [quote(key.name) for key in plan.keys if key.name not in plan.pinned]
    items = shown_keys(plan) + [f"{scalar(e)} AS {quote(a.name)}" for a, e in plan.items]
    group = clause("GROUP BY", grouped) if grouped else "HAVING count(*) > 0" if plan.keys else ""
    return lines(clause("SELECT", items), rows_of(plan.input, images), group)


def shown_keys(plan: Aggregate) -> list[str]:
    """The keys of a group. Of equal ones that may differ, those of the row that comes first by their text."""
    apart = [(quote(key.name), key.type) for key in plan.keys if key.type and not is_strict(key.type)]
    order = f" ORDER BY {as_text(apart)}" if apart else ""
    found = {name for name, _ in apart}
    return [
        f"any_value({name}{order if name in found else ''}) AS {name}"
        if name in found or key.name in plan.pinned
        else name
        for key in plan.keys
        for name in [quote(key.name)]
    ]


def render_window(plan: Window, images: Images) -> str:
    """Window functions over one OVER clause."""
    parts = []
    if plan.partition:
        parts.append("PARTITION BY " + listing([quote(a.name) for a in plan.partition]))
    if plan.order:
        parts.append("ORDER BY " + listing([scalar(term) for term in (*plan.order, *plan.ties)]))
    if plan.frame is not None:
        parts.append(write(plan.frame))
    over = f"OVER ({' '.join(parts)})"
    items = [f"{scalar(e)} {over} AS {quote(a.name)}" for a, e in plan.items]
    return lines(clause("SELECT", ["*", *items]), rows_of(plan.input, images))
