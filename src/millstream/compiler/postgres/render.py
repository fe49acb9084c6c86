"""Render a plan as one SELECT. Attribute names are unique, so no reference needs a qualifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    CLOCKS,
    OWN,
    WEIGHT,
    conjunction,
    conjuncts,
    equalities,
    equated,
    links,
    transform,
)
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
    names,
)
from millstream.compiler.dialect import respell, write
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.elements import guarded_elements
from millstream.compiler.postgres.identity import Columns, as_text, is_strict, loose, mark, same
from millstream.compiler.postgres.lenient import lenient
from millstream.compiler.postgres.names import changes, quote, table
from millstream.compiler.postgres.sizes import fits, fits_or_counts

MOST_WAYS = 3  # comparisons of NULLs for each of which a lookup is written twice; more are only tested
Images = Mapping[int, str]  # scan instance → the FROM item to read in place of its relation


def scalar(expression: exp.Expr, clock: str = "now", *, guarded: bool = True) -> str:
    """Render an expression; now() reads the tick's clock, and what fails on a value is NULL as in RisingWave."""

    def change(node: exp.Expr) -> exp.Expr:
        if isinstance(node, CLOCKS):
            return exp.Anonymous(this="millstream.now" if clock == "now" else "millstream.last_now")
        return node

    changed = transform(expression, change)
    if guarded:
        changed = lenient(changed)
    return write(respell(changed))


def listing(items: Sequence[str]) -> str:
    """Join a SELECT list; PostgreSQL accepts an empty one."""
    return ", ".join(items)


def render(plan: Plan, images: Images | None = None) -> str:
    """Return the SELECT whose columns are the plan's attributes by name."""
    images = images or {}
    match plan:
        case Scan():
            return render_scan(plan, images)
        case Values():
            return render_values(plan)
        case Filter():
            return f"SELECT * FROM ({render(plan.input, images)}) AS s WHERE {scalar(plan.predicate)}"
        case TimeFilter():
            predicate = scalar(plan.predicate, plan.clock)
            return f"SELECT * FROM ({render(plan.input, images)}) AS s WHERE {predicate}"
        case Project():
            return render_project(plan, images)
        case Join():
            return render_join(plan, images)
        case Unnest():
            return render_unnest(plan, images)
        case Lateral():
            return render_lateral(plan, images)
        case UnionAll():
            return " UNION ALL ".join(render_branch(plan, branch, images) for branch in plan.inputs)
        case First():
            order = listing([scalar(term) for term in plan.order])
            return f"SELECT * FROM ({render(plan.input, images)}) AS s ORDER BY {order} LIMIT {plan.count}"
        case Aggregate():
            return render_aggregate(plan, images)
        case Window():
            return render_window(plan, images)
        case UdfProject():
            raise TypeError("Python functions are called by the worker, not by PostgreSQL")


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
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {listing(items)} FROM {source} AS t{where}"


def render_project(plan: Project, images: Images) -> str:
    """Computed columns.

    PostgreSQL writes an expression again wherever the columns above name it: guarded casts of casts, as a raw message
    has them, would be computed dozens of times a row. OFFSET 0 has it compute them once. Only over changes, of which all
    are read: over stored rows it would keep a condition away from its index.
    """
    items = [f"{scalar(e)} AS {quote(a.name)}" for a, e in plan.items]
    once = any(is_fallible(node) for _, e in plan.items for node in e.walk()) and reads_changes(plan)
    return f"SELECT {listing(items)} FROM ({render(plan.input, images)}) AS s{' OFFSET 0' if once else ''}"


def reads_changes(plan: Plan) -> bool:
    """Tell whether a plan computes row by row what changed in this tick."""
    while isinstance(plan, ROW_WISE):
        plan = plan.input
    return isinstance(plan, Scan) and plan.side is Side.DELTA


def render_values(plan: Values) -> str:
    """Constant rows; PostgreSQL has no VALUES without columns."""
    if not plan.columns:
        return " UNION ALL ".join("SELECT" for _ in plan.rows)
    rows = listing([f"({listing([scalar(value) for value in row])})" for row in plan.rows])
    return f"SELECT * FROM (VALUES {rows}) AS v ({listing([quote(a.name) for a in plan.columns])})"


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
    return (
        f"(SELECT {listing(names)} FROM {now} AS s WHERE NOT EXISTS ({touched}) UNION ALL "
        f"SELECT {listing([f'd.{name}' for name in names])} FROM {changed} AS d "
        f"CROSS JOIN generate_series(1, {before}) AS g)"
    )


def render_join(join: Join, images: Images) -> str:
    """Inner, left and full joins as they are; semi and anti joins as [NOT] EXISTS; lookups where one side leads.

    PostgreSQL can hash and merge by equality alone: where only NULLs that meet connect the sides, rows are looked up.
    """
    left, right = render(join.left, images), render(join.right, images)
    sides = names(join.left), names(join.right)
    pairs = links(join.on, *sides)
    if join.leads is not None and (pairs or (join.single and join.kind == "inner")):
        return render_lookup(join, left, right)
    if join.nearest or (pairs and not equalities(join.on, *sides)):
        return render_lookup(replace(join, leads="left"), left, right)
    on = scalar(join.on) if join.on is not None else "true"
    if join.kind in ("semi", "anti"):
        word = "EXISTS" if join.kind == "semi" else "NOT EXISTS"
        return f"SELECT * FROM ({left}) AS l WHERE {word} (SELECT 1 FROM ({right}) AS r WHERE {on})"
    word = {"left": "LEFT JOIN", "full": "FULL JOIN"}.get(join.kind, "JOIN")
    return f"SELECT * FROM ({left}) AS l {word} ({right}) AS r ON {on}"


def render_lookup(join: Join, left: str, right: str) -> str:
    """Look the other side up for each row of the leading one.

    OFFSET 0 keeps PostgreSQL from choosing another order: a plan that it made while a table was empty would be a full
    scan for each changed row once the table has grown. A semi join that its right side leads gives every left row
    whose equality meets a right row; what else the condition says is left out, so there may be more rows than needed.
    """
    met = ways(conjuncts(join.on))
    if join.leads == "right" and join.kind == "inner":
        return f"SELECT * FROM ({right}) AS r CROSS JOIN LATERAL ({looked_up(left, 'l', met)} OFFSET 0) AS l"
    if join.leads == "right":
        keys, same = by_key(join)
        return (
            f"SELECT l.* FROM (SELECT DISTINCT {listing(keys)} FROM ({right}) AS r) AS j "
            f"CROSS JOIN LATERAL ({looked_up(left, 'l', ways(same))} OFFSET 0) AS l"
        )
    first = (
        f"ORDER BY {listing([scalar(term) for term in join.nearest])} LIMIT 1" if join.nearest else "OFFSET 0"
    )
    rows = f"{looked_up(right, 'r', met)} {first}"
    if join.kind in ("semi", "anti"):
        word = "EXISTS" if join.kind == "semi" else "NOT EXISTS"
        return f"SELECT * FROM ({left}) AS l WHERE {word} ({rows})"
    if join.kind == "left":
        return f"SELECT * FROM ({left}) AS l LEFT JOIN LATERAL ({rows}) AS r ON true"
    return f"SELECT * FROM ({left}) AS l CROSS JOIN LATERAL ({rows}) AS r"


def looked_up(rows: str, alias: str, conditions: list[str]) -> str:
    """The rows that meet one of several conditions, which exclude each other."""
    return " UNION ALL ".join(f"SELECT * FROM ({rows}) AS {alias} WHERE {each}" for each in conditions)


def by_key(join: Join) -> tuple[list[str], list[exp.Expr]]:
    """What the right side has of the keys of a join, as columns, and the conditions that left rows have them too."""
    keys: list[str] = []
    same: list[exp.Expr] = []
    for kind in (exp.EQ, exp.NullSafeEQ):
        for a, b in equated(join.on, names(join.left), names(join.right), kind):
            name = f"k{len(keys)}"
            keys.append(f"{scalar(b)} AS {name}")
            same.append(kind(this=a.copy(), expression=exp.column(name, table="j")))
    return keys, same


def ways(terms: list[exp.Expr]) -> list[str]:
    """A condition as several that exclude each other, one for each way in which NULLs can meet in it.

    No index serves IS NOT DISTINCT FROM. But either both sides are equal or both are NULL, and an index serves each.
    """
    safe = [t for t in terms if isinstance(t, exp.NullSafeEQ) and links_rows(t)][:MOST_WAYS]
    rest = [term for term in terms if not any(term is each for each in safe)]
    made = []
    for equal in product((True, False), repeat=len(safe)):
        met = [
            exp.EQ(this=term.this, expression=term.expression) if here else both_null(term)
            for term, here in zip(safe, equal, strict=True)
        ]
        condition = conjunction([*met, *rest])
        made.append(scalar(condition) if condition is not None else "true")
    return made


def links_rows(term: exp.NullSafeEQ) -> bool:
    """Tell whether both sides of a comparison read columns."""
    return all(side.find(exp.Column) is not None for side in (term.this, term.expression))


def both_null(term: exp.NullSafeEQ) -> exp.Expr:
    """Neither side has a value."""
    sides = (term.this, term.expression)
    return exp.and_(
        *(exp.Is(this=exp.paren(each.copy()), expression=exp.Null()) for each in sides), copy=False
    )


def render_unnest(plan: Unnest, images: Images) -> str:
    """CROSS or LEFT JOIN LATERAL of set-returning functions, several of them in step, elements in their order."""
    made = [attribute for each in plan.elements for attribute in each]
    names = [quote(a.name) for a in (*made, *([plan.ordinality] if plan.ordinality else []))]
    calls = [scalar(guarded_elements(call)) for call in plan.calls]
    function = calls[0] if len(calls) == 1 else f"ROWS FROM ({listing(calls)})"
    ordinality = " WITH ORDINALITY" if plan.ordinality else ""
    word, on = ("LEFT JOIN", " ON true") if plan.outer else ("CROSS JOIN", "")
    return (
        f"SELECT * FROM ({render(plan.input, images)}) AS s "
        f"{word} LATERAL {function}{ordinality} AS u({listing(names)}){on}"
    )


def render_lateral(plan: Lateral, images: Images) -> str:
    """CROSS or LEFT JOIN LATERAL of a plan that reads the columns beside it by their names."""
    word, on = ("LEFT JOIN", " ON true") if plan.outer else ("CROSS JOIN", "")
    return f"SELECT * FROM ({render(plan.input, images)}) AS s {word} LATERAL ({render(plan.rows)}) AS l{on}"


def render_branch(union: UnionAll, branch: Plan, images: Images) -> str:
    """One branch of a UNION ALL under the union's column names."""
    items = [
        f"{quote(b.name)} AS {quote(u.name)}" for b, u in zip(branch.columns, union.columns, strict=True)
    ]
    return f"SELECT {listing(items)} FROM ({render(branch, images)}) AS s"


def render_aggregate(plan: Aggregate, images: Images) -> str:
    """GROUP BY; with no aggregates it is DISTINCT. A pinned key does not group: it would have the rows sorted by it."""
    grouped = [quote(key.name) for key in plan.keys if key.name not in plan.pinned]
    items = shown_keys(plan) + [f"{scalar(e)} AS {quote(a.name)}" for a, e in plan.items]
    group = f" GROUP BY {listing(grouped)}" if grouped else " HAVING count(*) > 0" if plan.keys else ""
    return f"SELECT {listing(items)} FROM ({render(plan.input, images)}) AS s{group}"


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
    return f"SELECT *, {listing(items)} FROM ({render(plan.input, images)}) AS s"


Describe = Callable[[str], list[str]]  # a SELECT → the PostgreSQL types of its columns


def surplus(rows: str, others: str, columns: Columns) -> str:
    """Render the rows that one set has more often than another, each once, with how often as its weight."""
    names = listing([name for name, _ in columns])
    marks = {f"mark{number}{OWN}": mark(*each) for number, each in enumerate(loose(columns), 1)}
    items = listing([names, *(f"{text} AS {name}" for name, text in marks.items())])
    more = f"SELECT {items} FROM {rows} EXCEPT ALL SELECT {items} FROM {others}"
    return f"SELECT {names}, count(*)::integer AS {WEIGHT} FROM ({more}) AS e GROUP BY {listing([names, *marks])}"
