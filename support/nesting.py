"""Subqueries and set-returning functions."""

from __future__ import annotations

from support.construct import Construct, Group

SUBQUERIES = Group(
    "Subqueries",
    "https://docs.risingwave.com/sql/query-syntax/where-clause",
    (
        Construct(
            "EXISTS",
            "select i.item_id from items as i where exists (select 1 from events as e where e.item_id = i.item_id and e.amount > 1)",
        ),
        Construct(
            "NOT EXISTS",
            "select i.item_id from items as i where not exists (select 1 from events as e where e.item_id = i.item_id)",
        ),
        Construct(
            "IN", "select event_id from events where item_id in (select item_id from items where price > 2)"
        ),
        Construct(
            "NOT IN",
            "select event_id from events where item_id not in (select item_id from items where price > 2)",
        ),
        Construct(
            "NOT IN of columns that cannot be NULL",
            "select item_id from items where item_id not in (select item_id from clicks where item_id is not null)",
        ),
        Construct(
            "IN with several columns",
            "select c.seconds from clicks as c where (c.user_id, c.item_id) in (select user_id, item_id from events)",
        ),
        Construct(
            "EXISTS as a value",
            "select i.item_id, exists (select 1 from events as e where e.item_id = i.item_id) as seen from items as i",
        ),
        Construct(
            "scalar subquery", "select item_id, price - (select min(price) from items) as above from items"
        ),
        Construct(
            "correlated scalar subquery",
            "select i.item_id, (select count(*) from events as e where e.item_id = i.item_id) as n from items as i",
        ),
        Construct(
            "comparison with a scalar subquery",
            "select item_id from items where price > (select avg(amount) from events)",
        ),
        Construct(
            "HAVING with a subquery",
            "select item_id, count(*) as n from events group by item_id having count(*) * 2 >= (select count(*) from items)",
        ),
        Construct(
            "correlated subquery beside an aggregate",
            "select e.user_id, count(*) as n, (select count(*) from clicks as c where c.user_id = e.user_id) as clicks from events as e group by e.user_id",
        ),
        Construct(
            "subquery in a FILTER clause",
            "select count(*) filter (where exists (select 1 from items as i where i.item_id = e.item_id)) as known from events as e",
        ),
        Construct(
            "IN as a value",
            "select item_id, item_id in (select item_id from events) as sold from items",
        ),
        Construct(
            "= ANY, <> ALL",
            "select event_id from events where item_id = any (select item_id from items where price > 2)",
        ),
        Construct(
            "an aggregate of both sides",
            "select i.item_id, (select sum(e.amount * i.price) from events as e where e.item_id = i.item_id) as s from items as i",
        ),
        Construct(
            "FILTER, ORDER BY and CASE with the row outside",
            "select i.item_id, (select string_agg(e.note, ',' order by e.amount = i.price desc, e.event_id) filter (where e.amount <= i.price) from events as e where e.item_id = i.item_id) as notes from items as i",
        ),
        Construct(
            "correlated by equalities and more",
            "select i.item_id, (select e.event_id from events as e where e.item_id = i.item_id and e.amount < i.price order by e.amount desc, e.event_id limit 1) as below from items as i",
        ),
        Construct(
            "GROUP BY, DISTINCT and windows of the row outside",
            "select i.item_id, l.rest, l.n from items as i cross join lateral (select e.amount % i.price as rest, count(*) as n from events as e where e.item_id = i.item_id group by e.amount % i.price) as l",
            postgres="select i.item_id, l.rest, l.n from items as i cross join lateral (select e.amount % nullif(i.price, 0) as rest, count(*) as n from events as e where e.item_id = i.item_id group by e.amount % nullif(i.price, 0)) as l",
        ),
        Construct(
            "over several levels",
            "select i.item_id from items as i where exists (select 1 from events as e where e.item_id = i.item_id and exists (select 1 from clicks as c where c.user_id = e.user_id and c.seconds > i.price))",
        ),
        Construct(
            "UNION ALL in a correlated subquery",
            "select i.item_id, (select count(*) from (select user_id from events as e where e.item_id = i.item_id union all select user_id from clicks as c where c.item_id = i.item_id) as u) as n from items as i",
        ),
        Construct(
            "HAVING without GROUP BY",
            "select i.item_id from items as i where exists (select 1 from events as e where e.item_id = i.item_id having count(*) > 1)",
        ),
        Construct(
            "array(SELECT …)",
            "select i.item_id, array(select e.event_id from events as e where e.item_id = i.item_id order by e.event_id limit 3) as events from items as i",
            note="an empty list where there are no rows; without ORDER BY in the order of the values",
        ),
        Construct(
            "a subquery over a list of the row",
            "select item_id, array(select upper(t.tag) from unnest(tags) as t(tag) order by t.tag) as tags from items",
        ),
        Construct(
            "a subquery over a list, compared with the row",
            "select i.item_id, exists (select 1 from unnest(i.tags) as t(tag) where t.tag = i.category) as own from items as i",
        ),
        Construct(
            "ALL with another comparison",
            "select event_id from events where amount > all (select price from items)",
            "MS021",
            "refused",
        ),
        Construct(
            "scalar subquery of many rows",
            "select item_id, (select e.amount from events as e where e.item_id = i.item_id) as a from items as i",
            "MS044",
            "refused",
        ),
        Construct(
            "correlated by something else than equality alone",
            "select i.item_id from items as i where exists (select 1 from events as e where e.amount > i.price)",
            "MS015",
            "refused: nested-loop join",
        ),
    ),
)

SETS = Group(
    "Set-returning functions",
    "https://docs.risingwave.com/sql/functions/set-returning",
    (
        Construct("unnest", "select i.item_id, t.tag from items as i cross join unnest(i.tags) as t (tag)"),
        Construct(
            "WITH ORDINALITY",
            "select i.item_id, t.tag, t.place from items as i cross join unnest(i.tags) with ordinality as t (tag, place)",
            note="RisingWave has it without LATERAL",
        ),
        Construct(
            "LEFT JOIN, also on a condition",
            "select i.item_id, t.tag from items as i left join unnest(i.tags) as t (tag) on t.tag > 'a'",
        ),
        Construct(
            "unnest of several lists",
            "select i.item_id, t.tag, t.n from items as i cross join unnest(i.tags, array[1, 2]) as t (tag, n)",
        ),
        Construct(
            "generate_series",
            "select e.event_id, g.n from events as e cross join lateral generate_series(1, e.amount, 2) as g (n)",
            note="at most 100,000 rows of one; what would be more is a failure, counted in millstream.evaluation_errors",
        ),
        Construct(
            "generate_series of instants",
            "select e.event_id, t from events as e, generate_series(e.occurred_at, e.occurred_at + interval '1 day', interval '12 hours') as t",
        ),
        Construct("constants alone", "select n from generate_series(1, 3) as n"),
        Construct("constants beside rows", "select i.item_id, n from items as i, generate_series(1, 3) as n"),
        Construct(
            "jsonb_array_elements, jsonb_each, jsonb_object_keys",
            "select i.item_id, m.key, m.value from items as i, jsonb_each(i.details) as m",
            postgres="select i.item_id, m.key, m.value from items as i, jsonb_each(case when jsonb_typeof(i.details) = 'object' then i.details end) as m",
            note="no rows of what is no array or no object, counted",
        ),
        Construct(
            "jsonb_array_elements_text, jsonb_each_text",
            "select i.item_id, m.key, m.value from items as i, jsonb_each_text(i.details) as m",
            postgres="select i.item_id, m.key, m.value from items as i, jsonb_each_text(case when jsonb_typeof(i.details) = 'object' then i.details end) as m",
        ),
        Construct(
            "regexp_matches, generate_subscripts",
            "select e.event_id, m[1] as letter, s from events as e, regexp_matches(e.note, '[a-z]', 'g') as m, generate_subscripts(m, 1) as s",
        ),
        Construct("in the SELECT list", "select item_id, unnest(tags) as tag from items"),
        Construct(
            "several in the SELECT list",
            "select item_id, unnest(tags) as tag, generate_series(1, price) as n from items",
            note="in step, filled with NULL",
        ),
        Construct(
            "inside an expression, or of each other",
            "select item_id, upper(unnest(tags)) as tag from items",
        ),
        Construct(
            "alone and inside an expression",
            "select item_id, unnest(tags) as tag, upper(unnest(tags)) as big from items",
        ),
        Construct(
            "in WHERE, CASE, COALESCE, aggregates",
            "select item_id, coalesce(unnest(tags), 'none') as tag from items",
            "MS024",
            "refused",
        ),
        Construct(
            "string_to_table, regexp_split_to_table",
            "select event_id, string_to_table(note, ',') as part from events",
            "MS024",
            "refused",
        ),
    ),
)
