"""MS060 to MS084: what one of the engines keeps and the other does not; dbt's models are held to both."""

from __future__ import annotations

NO_FORM = "RisingWave has no function of that name that takes these arguments"
NO_SUCH_THING = "RisingWave has no such thing, so the model would not run in production"

PORTABILITY: dict[str, tuple[str, str, str]] = {
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
    "MS072": (
        "function {detail}",
        NO_FORM,
        "the refusal says what to write instead",
    ),
    "MS072/variadic": ("{detail} with VARIADIC", NO_FORM, "give the arguments one by one"),
    "MS073": (
        "type {detail}",
        "RisingWave has it, and PostgreSQL, which computes the model on the embedded engine, has not",
        "give each field of a struct a column; keep jsonb instead of a map",
    ),
    "MS074": (
        "{detail}",
        NO_SUCH_THING,
        "the refusal says what to write instead",
    ),
    "MS074/named argument": (
        "named argument {detail}",
        NO_SUCH_THING,
        "give arguments by position",
    ),
    "MS074/flags": ("flags {flags} of {function}", NO_SUCH_THING, "use the flags c, i and g"),
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
    "MS081": (
        "name {detail}",
        "RisingWave does not read it",
        "quote names with letters outside ASCII, write a column's schema only where FROM has it, choose another name",
    ),
    "MS082": (
        "SELECT without a list of columns",
        "RisingWave does not read it",
        "select a constant:  EXISTS (SELECT 1 FROM …)",
    ),
    "MS083": (
        "a read that scans {detail}",
        "RisingWave reads a range, or looks rows up, only where the read gives the beginning of a stored relation's key or "
        "index; what a subquery or a view with joins gives on the right of a join, it computes whole",
        "let the stored relation stand on the right of the join itself, or make what stands there a materialized_view with an "
        "index on the columns of the join",
    ),
    "MS083/column": (
        "read_by column {detail}, which the view has not",
        "a view is read by columns that it shows",
        "name columns of its SELECT list in  config: meta: read_by:  [user_id]",
    ),
    "MS084": (
        "{detail} decided by a sum of floating-point numbers",
        "the engines add in another order, so the last digits of such a sum differ, rounded ones now and then too, and with "
        "them which rows there are and how they are ordered",
        "add integers:  sum(cast(floor(x * 1000000 + 0.5) as bigint))  for six digits, or only show the sum",
    ),
}
