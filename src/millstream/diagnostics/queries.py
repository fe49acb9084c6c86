"""MS001 to MS026, MS040 to MS059: what a query or a SQL function cannot say, on either engine."""

from __future__ import annotations

QUERIES: dict[str, tuple[str, str, str]] = {
    "MS001": ("syntax", "the statement cannot be read: {detail}", "check the SQL just before this place"),
    "MS001/one query": ("{detail}", "a model is exactly one SELECT", "keep one SELECT in the file"),
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
    "MS016/plain view": (
        "FOR SYSTEM_TIME AS OF PROCTIME() in a plain view",
        "a process-time join remembers what it met, and a plain view has no memory",
        "materialize the model as materialized_view or ephemeral",
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
}
