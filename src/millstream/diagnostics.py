"""Refusals: every construct the compiler does not accept, with its code, the reason and a rewrite."""

from __future__ import annotations

from sqlglot import exp

from millstream.errors import Diagnostic, Refused

# code: (construct, why, hint); the texts may use {detail}
CATALOGUE: dict[str, tuple[str, str, str]] = {
    "MS001": ("syntax", "the statement cannot be read: {detail}", "check the SQL just before this place"),
    "MS002": (
        "unknown relation {detail}",
        "no source, view or materialized view of that name is deployed",
        "deploy it first (dbt run --select +model), or correct the name",
    ),
    "MS003": (
        "unknown column {detail}",
        "none of the relations in FROM has that column",
        "correct the name, or qualify it with the alias that has it",
    ),
    "MS004": (
        "ambiguous column {detail}",
        "more than one relation in FROM has that column",
        "qualify it with an alias",
    ),
    "MS005": (
        "{detail} is named twice",
        "a FROM, a WITH, a WINDOW and a SELECT list have each name once",
        "give one of them another name",
    ),
    "MS006": (
        "reserved word {detail}",
        "it means itself here, on either engine, and not a column or a relation",
        'write it in double quotes, "{detail}", or choose another name',
    ),
    "MS007": (
        "name {detail}",
        "PostgreSQL cuts names at 63 bytes, and two that differ behind the cut would become one",
        "choose a name of at most 63 bytes; letters outside ASCII take two to four each",
    ),
    "MS008": (
        "column {detail}",
        "the name belongs to the engine or to PostgreSQL, which have a column of that name in every table",
        "choose another name",
    ),
    "MS009": (
        "{detail} without columns",
        "there is nothing to store, or to tell rows apart by",
        "select a column, or a constant such as  true as found",
    ),
    "MS010": (
        "{detail}",
        "this construct is not maintained incrementally yet",
        "rewrite it with joins, GROUP BY, ROW_NUMBER, UNION ALL, EXISTS or unnest",
    ),
    "MS011": (
        "LIMIT without ORDER BY",
        "the rows that stay would be arbitrary and could differ on every tick",
        "add ORDER BY with a unique tie-break",
    ),
    "MS012": (
        "ORDER BY without LIMIT",
        "a view has no order; only a reader does",
        "drop the ORDER BY here and sort in the query that reads the view",
    ),
    "MS013": (
        "{detail} is not deterministic",
        "its value would change whenever a row is computed again",
        "derive the value from the row, for example from a hash of its key",
    ),
    "MS014": (
        "now() {detail}",
        "a view can only compare with now(), as one conjunct of WHERE or HAVING",
        "filter with  WHERE occurred_at > now() - INTERVAL '1 hour'",
    ),
    "MS015": (
        "join without an equality",
        "each changed row would be compared with every row of the other side",
        "join on at least one  left.column = right.column",
    ),
    "MS016": (
        "FOR SYSTEM_TIME AS OF PROCTIME() on {detail}",
        "the right side must be a source table or a materialized view, joined inner, or left by equality",
        "materialize the right side, or join without FOR SYSTEM_TIME",
    ),
    "MS017": (
        "process-time join whose left side is {detail}",
        "a changed row must tell which results it replaces, so every branch has to start from one relation with a key",
        "start every branch of the UNION ALL from the same one-row-per-key model, and group by its key",
    ),
    "MS018": (
        "Python function {detail} outside the SELECT list",
        "its results are stored when a row is computed, so it can only make a column",
        "compute it in the SELECT list of one model and filter or unnest it in the next",
    ),
    "MS019": ("SELECT *", "a view must keep its columns when its inputs gain one", "list the columns"),
    "MS020": (
        "column without a name",
        "the view's columns must have names",
        "add  AS name",
    ),
    "MS021": (
        "subquery in {detail}",
        "maintained are EXISTS, IN and scalar subqueries, in the SELECT list, WHERE and HAVING",
        "compare with (SELECT max(x) FROM …) or min instead of ALL or ANY; elsewhere join the subquery",
    ),
    "MS022": (
        "set operation with {detail}",
        "branches correspond by position",
        "give every branch the same number of columns, in the same order",
    ),
    "MS023": (
        "column {detail} neither grouped nor aggregated",
        "a group has many values of it",
        "add it to GROUP BY or wrap it in an aggregate",
    ),
    "MS024": (
        "set-returning function {detail}",
        "one row would become many in a condition, in CASE, in an aggregate, or as several columns",
        "unfold it in FROM:  CROSS JOIN unnest(items) WITH ORDINALITY AS i(item_id, position)",
    ),
    "MS025": (
        "{detail}",
        "names and values correspond to columns by their position",
        "give as many as there are columns; a list of names may be shorter",
    ),
    "MS026": (
        "aggregate {detail} of the query around the subquery",
        "in SQL it is computed over the rows of that query, where it then has to be grouped; RisingWave computes it inside",
        "compute it in the query around, or aggregate a column of the subquery",
    ),
    "MS040": (
        "NATURAL JOIN",
        "the columns that it joins by would change when an input gains a column",
        "name them:  JOIN … USING (item_id)",
    ),
    "MS042": (
        "correlated subquery of rows that act",
        "it is computed for the values that it reads of them, and what Python or a process-time join gave is not read twice",
        "materialize the query around it in a model of its own, and write the subquery over that",
    ),
    "MS043": (
        "subquery with {detail}",
        "an expression is compared with one value for each of its own",
        "select exactly the columns that are compared",
    ),
    "MS044": (
        "scalar subquery that may have more than one row",
        "which row would count is not determined; RisingWave demands a proof as well",
        "aggregate (max, min, count, …), add ORDER BY … LIMIT 1, or fix the whole key of the relation by equalities",
    ),
    "MS046": (
        "NOT IN, or IN inside an expression, with several columns",
        "a row with one NULL makes it neither true nor false",
        "write  NOT EXISTS (SELECT 1 FROM … WHERE a = x AND b = y)",
    ),
    "MS047": (
        "ASOF JOIN with {detail}",
        "it joins the nearest row by one column, among those that agree in others",
        "write  ASOF [LEFT] JOIN b ON a.key = b.key AND a.at >= b.at, and filter b in a subquery",
    ),
    "MS048": (
        "column {detail} out of reach",
        "what reads it was taken apart from what has it: a fault of the compiler, which is stopped before it does harm",
        "write the subquery that reads it as a join, and tell us",
    ),
    "MS049": (
        "LATERAL subquery {detail}",
        "it is joined by the equalities in its own WHERE",
        "write  CROSS JOIN LATERAL (…) AS l  or  LEFT JOIN LATERAL (…) AS l ON true",
    ),
    "MS050": (
        "{detail} without ORDER BY",
        "its result would depend on the order in which rows arrived; RisingWave takes any order, but two runs may differ",
        "say the order inside the call:  {detail}(… ORDER BY occurred_at); rows that tie are ordered by their values",
    ),
    "MS051": (
        "{detail} without OVER",
        "it is a window function: its value depends on the other rows of a partition",
        "add  OVER (PARTITION BY … ORDER BY …)",
    ),
    "MS052": (
        "{detail}",
        "which row comes first among those that tie would be arbitrary, and could differ whenever it is computed again",
        "add the key of the rows to ORDER BY, or count rows:  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    ),
    "MS053": (
        "DISTINCT ON {detail}",
        "the row that stays of each group would be arbitrary",
        "start ORDER BY with the expressions of DISTINCT ON, then say which row comes first",
    ),
    "MS054": (
        "{detail}",
        "values of type json cannot be compared, so a change of them could not be seen",
        "use jsonb_agg or jsonb_object_agg",
    ),
    "MS055": (
        "aggregate {detail}",
        "PostgreSQL has no such aggregate",
        "write  percentile_cont(0.5) WITHIN GROUP (ORDER BY x)",
    ),
    "MS056": (
        "count(DISTINCT a, b)",
        "PostgreSQL and RisingWave count the distinct values of one expression",
        "make the columns one:  count(DISTINCT (a, b))",
    ),
    "MS057": (
        "GROUP BY with {detail} grouping sets",
        "each of them is kept as an aggregation of its own",
        "name the sets that are read:  GROUP BY GROUPING SETS ((a, b), (a), ())",
    ),
    "MS058": (
        "{detail}",
        "time windows are of a constant length without months, over a timestamp column of a relation or a CTE",
        "write  TUMBLE(events, occurred_at, INTERVAL '1 hour')  or  HOP(events, occurred_at, slide, size)",
    ),
    "MS059": (
        "SQL function {detail}",
        "the body is put in place of every call, so it is one expression over the parameters",
        "write  CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT a + 1 $$",
    ),
    # What this engine keeps and RisingWave does not (compiler/portable/rules.py); dbt's models are held to both.
    "MS060": (
        "window function {detail} over all rows",
        "RisingWave refuses an empty PARTITION BY, unless a filter on row_number or rank makes it a top-N",
        "add PARTITION BY, if need be by a constant (PARTITION BY 1::int), or filter:  WHERE rn <= 100",
    ),
    "MS061": (
        "jsonb as a key: {detail}",
        "RisingWave does not group, partition, join or tell rows apart by jsonb",
        "take out the value that matters as text:  payload ->> 'item_id'",
    ),
    "MS062": (
        "{detail}",
        "RisingWave's streaming jobs keep a top-N only where LIMIT says how many rows stay",
        "give LIMIT a number above zero",
    ),
    "MS063": (
        "FOR SYSTEM_TIME AS OF PROCTIME() on {detail}",
        "RisingWave looks rows up by the whole key of the right side, or by an index on it",
        "join on every column of the key, or give the right side an index on the columns of the join",
    ),
    "MS064": (
        "aggregate {detail}",
        "RisingWave's streaming jobs do not compute it",
        "count by buckets and read the quantile in a plain view, or compute it from sums of x, y, x*y and x*x",
    ),
    "MS065": (
        "window function {detail}",
        "RisingWave has no such window; it knows row_number, rank, dense_rank, lag, lead, first_value, last_value and "
        "aggregates, over ROWS and RANGE frames",
        "use one of those: coalesce(lag(x) OVER w, 0) for a default, CASE inside the aggregate for FILTER",
    ),
    "MS082": (
        "SELECT without a list of columns",
        "RisingWave does not read it",
        "select a constant:  EXISTS (SELECT 1 FROM …)",
    ),
    "MS081": (
        "name {detail}",
        "RisingWave does not read it",
        "quote names with letters outside ASCII, write a column's schema only where FROM has it, choose another name",
    ),
    "MS066": (
        "{detail}",
        "RisingWave compares sets only",
        "number the rows that are equal and use INTERSECT or EXCEPT, or join on a count of them",
    ),
    "MS067": (
        "subquery in {detail}",
        "RisingWave has no subqueries there",
        "compute it in a CTE or a model of its own and join that",
    ),
    "MS068": (
        "{detail} beside every row",
        "RisingWave's streaming jobs join by equality; of a single row they keep one comparison (<, <=, >, >=) with its "
        "only column, of which nothing else is read",
        "compare with it in WHERE, or join it in a plain view on top, which RisingWave computes when it is read",
    ),
    "MS069": (
        "{detail}",
        "RisingWave takes one list in unnest, no dates in a series, '' for a JSON null as text, members of an object in "
        "another order, and functions inside of expressions apart from those alone",
        "unfold one list at a time in FROM, cast dates to timestamp, and write  jsonb_array_elements(x) AS e, then  e #>> '{}'",
    ),
    "MS070": (
        "subquery over a list of the row outside, compared with that row",
        "RisingWave cannot take such a subquery apart",
        "unfold the list in FROM and filter there, or write  x = ANY (list)",
    ),
    "MS071": (
        "NOT IN of columns that may be NULL",
        "RisingWave takes it for NOT EXISTS; in SQL a NULL among the values ends it, and so does one on its left side",
        "write  NOT EXISTS (SELECT 1 FROM … WHERE a = x), or leave NULL out on both sides (WHERE x IS NOT NULL)",
    ),
    # Functions, types and operators that only one of the engines has (compiler/binder/lacking.py, compiler/portable/calls.py).
    "MS072": (
        "function {detail}",
        "RisingWave has no function of that name that takes these arguments",
        "the refusal says what to write instead",
    ),
    "MS073": (
        "type {detail}",
        "RisingWave has it, and PostgreSQL, which computes the model on the embedded engine, has not",
        "give each field of a struct a column; keep jsonb instead of a map",
    ),
    "MS074": (
        "{detail}",
        "RisingWave does not read this operator, literal or field",
        "the refusal says what to write instead",
    ),
    "MS075": (
        "type {detail}",
        "RisingWave has no such type, or keeps no length and precision of it",
        "write numeric, varchar, timestamp without a length; varchar for uuid, jsonb for json",
    ),
    "MS076": (
        "now() in {detail}",
        "RisingWave compares with a moment that never goes back, and proves it for now(), for now() plus or minus an interval "
        "without months, for date_trunc of these, and for AT TIME ZONE 'UTC'",
        "count in days:  now() - interval '30 days', cut to days:  date_trunc('day', now()); compute the rest from the column,"
        " on the other side",
    ),
    "MS079": (
        "function {detail}",
        "RisingWave has it, and PostgreSQL, which computes the model on the embedded engine, has not",
        "the refusal says what to write instead",
    ),
}

# Refused when something is deployed, before or after its SQL is compiled; the texts say more in each case.
DEPLOYMENT: dict[str, tuple[str, str, str]] = {
    "MS030": (
        "source table, sink",
        "the declaration has a part that this engine does not read",
        "keep columns, PRIMARY KEY, ON CONFLICT and WITH VERSION COLUMN; keep connectors in the other target",
    ),
    "MS031": (
        "struct field",
        "a field of a Python function's type is a name and a type",
        "write  struct<item_id varchar, score double precision>",
    ),
    "MS032": (
        "name in use",
        "something of another kind is deployed under that name",
        "choose another name, or remove the other from the project and drop it (dbt run-operation drop_removed)",
    ),
    "MS033": (
        "function",
        "its signature changed, and RisingWave never replaces a function",
        "give it a new name with a higher version and change the models that call it",
    ),
    "MS034": (
        "sink",
        "its source, its target or their columns do not fit",
        "select exactly the columns of a source table from one materialized view",
    ),
    "MS028": (
        "what PostgreSQL says",
        "PostgreSQL, which computes the model on the embedded engine, does not accept a part of it",
        "cast the operands to types that it takes, or write it otherwise",
    ),
    "MS029": (
        "fault of the compiler",
        "it is not the model's",
        "report it with the text of the model; until it is mended, write the model in smaller steps",
    ),
    "MS037": (
        "name of the engine or the database",
        "their schemas are theirs, and a schema's name has letters and no dot",
        "deploy it into a schema of your own, such as public",
    ),
    "MS038": (
        "index",
        "the view has no such column",
        "correct the name; in a configuration it is in small letters unless it stands in double quotes",
    ),
    "MS036": (
        "column of type {detail}",
        "values of the type cannot be compared, or PostgreSQL has no such type",
        "declare a type that can: jsonb for json and maps, real[] for a vector",
    ),
    "MS035": (
        "source table that holds rows",
        "only new nullable columns at the end can be added to it",
        "load into a table of a new name, or rebuild with --full-refresh, which empties it",
    ),
}


def place(node: exp.Expr | None) -> tuple[int | None, int | None]:
    """Return the 1-based line and column of the first token that sqlglot placed in or under a node."""
    best: tuple[int, int] | None = None
    for found in node.walk() if node is not None else ():
        line, end = found.meta.get("line"), found.meta.get("col")
        if line is None or end is None:
            continue
        start = found.meta.get("start", 0)
        width = found.meta.get("end", start) - start
        here = (line, max(1, end - width))
        best = here if best is None else min(best, here)
    return best or (None, None)


def refuse(
    code: str, node: exp.Expr | None, detail: str = "", path: str | None = None, likely: str = ""
) -> Refused:
    """Make the refusal `code` for a construct; the caller raises it. `likely` is a remedy that may be the right one."""
    construct, why, hint = (text.replace("{detail}", detail) for text in CATALOGUE[code])
    line, col = place(node)
    return Refused(
        Diagnostic(code, construct, why, f"{likely} If not, {hint}" if likely else hint, path, line, col)
    )
