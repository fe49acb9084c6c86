"""Aggregates, windows and top-N."""

from __future__ import annotations

from support.construct import Construct, Group

AGGREGATES = Group(
    "Aggregates",
    "https://docs.risingwave.com/sql/functions/aggregate",
    (
        Construct(
            "count, sum, avg",
            "select user_id, count(*) as n, count(note) as notes, sum(amount) as total, avg(price) as mean from events group by user_id",
        ),
        Construct(
            "without GROUP BY",
            "select count(*) as n, sum(seconds) as s from clicks",
            note="one row, even of nothing",
        ),
        Construct(
            "min, max",
            "select item_id, min(amount) as least, max(amount) as most from events group by item_id",
        ),
        Construct(
            "GROUP BY an expression, a place, a name",
            "select date_trunc('hour', occurred_at) as h, user_id as u, count(*) as n from events group by 1, u",
        ),
        Construct("HAVING", "select item_id, count(*) as n from events group by item_id having count(*) > 1"),
        Construct(
            "FILTER",
            "select user_id, count(*) filter (where amount > 1) as n, sum(price) filter (where note is null) as p from events group by user_id",
        ),
        Construct(
            "count(DISTINCT)",
            "select user_id, count(distinct item_id) as items, sum(distinct amount) as s from events group by user_id",
        ),
        Construct(
            "array_agg, string_agg in an order",
            "select user_id, array_agg(item_id order by event_id) as items, string_agg(item_id, ',' order by event_id) as text from events group by user_id",
        ),
        Construct(
            "jsonb_agg, jsonb_object_agg",
            "select user_id, jsonb_agg(amount order by event_id) as a, jsonb_object_agg(event_id::varchar, item_id order by event_id) as o from events group by user_id",
            risingwave="incremental; jsonb_object_agg without an order",
        ),
        Construct(
            "first_value, last_value",
            "select user_id, first_value(item_id order by event_id) as first, last_value(item_id order by event_id) as last from events group by user_id",
            postgres="select user_id, (array_agg(item_id order by event_id))[1] as first, (array_agg(item_id order by event_id desc))[1] as last from events group by user_id",
        ),
        Construct(
            "first_value IGNORE NULLS",
            "select user_id, first_value(note ignore nulls order by event_id) as first from events group by user_id",
            postgres="select user_id, (array_agg(note order by event_id) filter (where note is not null))[1] as first from events group by user_id",
        ),
        Construct(
            "bool_and, bool_or, bit_and, bit_or",
            "select user_id, bool_and(amount > 1) as b, bool_or(note is null) as o, bit_and(amount) as ba, bit_or(amount) as bo from events group by user_id",
        ),
        Construct(
            "stddev, variance",
            "select user_id, stddev_pop(amount) as s, var_samp(amount) as v from events group by user_id",
        ),
        Construct(
            "mode",
            "select user_id, mode() within group (order by item_id) as item from events group by user_id",
        ),
        Construct(
            "percentile_cont, percentile_disc",
            "select user_id, percentile_cont(0.5) within group (order by amount) as middle from events group by user_id",
        ),
        Construct(
            "approx_count_distinct",
            "select user_id, approx_count_distinct(item_id) as n from events group by user_id",
            postgres="select user_id, count(distinct item_id) as n from events group by user_id",
            note="exact here; append-only input there",
        ),
        Construct("corr, regr_…", "select corr(amount, price) as r from events"),
        Construct(
            "ROLLUP, CUBE, GROUPING SETS",
            "select user_id, item_id, count(*) as n, grouping(user_id, item_id) as g from events group by grouping sets ((user_id, item_id), (user_id), ())",
        ),
        Construct(
            "an aggregate of aggregates",
            "select max(n) as busiest from (select user_id, count(*) as n from events group by user_id) as s",
        ),
        Construct(
            "array_agg without an order",
            "select user_id, array_agg(item_id) as items from events group by user_id",
            "MS050",
            "incremental; the order is not determined",
        ),
        Construct(
            "json_agg",
            "select user_id, json_agg(item_id order by item_id) as items from events group by user_id",
            "MS054",
            "refused",
        ),
        Construct(
            "count(DISTINCT a, b)",
            "select count(distinct user_id, item_id) as n from events",
            "MS056",
            "refused",
        ),
        Construct("jsonb as a key", "select details, count(*) as n from items group by details"),
        Construct(
            "a column neither grouped nor aggregated",
            "select item_id, amount, count(*) as n from events group by item_id",
            "MS023",
            "refused",
        ),
    ),
)

WINDOWS = Group(
    "Window functions",
    "https://docs.risingwave.com/sql/functions/window-functions",
    (
        Construct(
            "row_number, rank, dense_rank",
            "select event_id, row_number() over (partition by user_id order by amount, event_id) as rn, rank() over (partition by user_id order by amount) as r, dense_rank() over (partition by user_id order by amount) as d from events",
        ),
        Construct(
            "lag, lead",
            "select event_id, lag(item_id) over (partition by user_id order by event_id) as before, lead(amount, 2) over (partition by user_id order by event_id) as after from events",
        ),
        Construct(
            "first_value, last_value over a window",
            "select event_id, first_value(item_id) over (partition by user_id order by event_id) as first from events",
        ),
        Construct(
            "running sum",
            "select event_id, sum(amount) over (partition by user_id order by event_id) as running from events",
        ),
        Construct(
            "ROWS frame",
            "select event_id, avg(amount) over (partition by user_id order by event_id rows between 2 preceding and current row) as moving from events",
        ),
        Construct(
            "RANGE frame",
            "select event_id, count(*) over (partition by user_id order by occurred_at range between interval '1 hour' preceding and current row) as recent from events",
        ),
        Construct(
            "WINDOW clause",
            "select event_id, sum(amount) over w as s, count(*) over w as n from events window w as (partition by user_id)",
        ),
        Construct(
            "a window over a group",
            "select user_id, item_id, rank() over (partition by user_id order by count(*) desc) as r from events group by user_id, item_id",
        ),
        Construct(
            "a window over all rows",
            "select event_id, sum(amount) over (order by event_id) as running from events",
        ),
        Construct(
            "ntile, percent_rank, cume_dist, nth_value",
            "select event_id, ntile(2) over (partition by user_id order by event_id) as half, percent_rank() over (partition by user_id order by amount) as p from events",
        ),
        Construct(
            "lag with a default",
            "select event_id, lag(amount, 1, 0) over (partition by user_id order by event_id) as before from events",
        ),
        Construct(
            "GROUPS frame, EXCLUDE",
            "select event_id, sum(amount) over (partition by user_id order by amount groups between 1 preceding and current row) as s from events",
        ),
        Construct(
            "FILTER on a window",
            "select event_id, count(*) filter (where amount > 1) over (partition by user_id) as n from events",
        ),
        Construct(
            "first_value, last_value IGNORE NULLS",
            "select event_id, last_value(note ignore nulls) over (partition by user_id order by event_id) as n from events",
            postgres="select event_id, (select w.note from events as w where w.user_id is not distinct from e.user_id and w.event_id <= e.event_id and w.note is not null order by w.event_id desc limit 1) as n from events as e",
            note="inside the brackets, as RisingWave reads it",
        ),
        Construct(
            "other functions IGNORE NULLS",
            "select event_id, lag(note ignore nulls) over (partition by user_id order by event_id) as n from events",
            "MS010",
            "refused",
        ),
        Construct(
            "lag without an order",
            "select event_id, lag(amount) over (partition by user_id) as before from events",
            "MS052",
            "incremental; the order is not determined",
        ),
        Construct("a window function without OVER", "select rank() as r from events", "MS051", "refused"),
    ),
)

TOP = Group(
    "Top-N and order",
    "https://docs.risingwave.com/processing/sql/top-n-by-group",
    (
        Construct(
            "ROW_NUMBER ≤ k in each group",
            "select user_id, event_id from (select user_id, event_id, row_number() over (partition by user_id order by amount desc, event_id) as rn from events) as r where rn <= 2",
        ),
        Construct(
            "RANK ≤ k",
            "select event_id from (select event_id, rank() over (partition by user_id order by amount desc) as r from events) as s where r <= 1",
        ),
        Construct(
            "ORDER BY … LIMIT", "select event_id, amount from events order by amount desc, event_id limit 3"
        ),
        Construct("LIMIT and OFFSET", "select event_id from events order by event_id limit 2 offset 1"),
        Construct(
            "FETCH FIRST … WITH TIES",
            "select event_id, amount from events order by amount desc fetch first 2 rows with ties",
        ),
        Construct(
            "DISTINCT ON",
            "select distinct on (user_id) user_id, event_id from events order by user_id, amount desc, event_id limit 100",
            postgres="select distinct on (user_id) user_id, event_id from events order by user_id, amount desc, event_id limit 100",
        ),
        Construct("OFFSET without LIMIT", "select event_id from events order by event_id offset 2"),
        Construct(
            "LIMIT without ORDER BY", "select event_id from events limit 5", "MS011", "incremental; any rows"
        ),
        Construct(
            "ORDER BY without LIMIT",
            "select event_id from events order by event_id",
            "MS012",
            "accepted; orders nothing that is stored",
        ),
        Construct(
            "LIMIT of a computed number",
            "select event_id from events order by event_id limit 1 + 1",
            "MS010",
            "refused",
        ),
    ),
)
