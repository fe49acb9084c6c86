"""Row by row: columns, predicates, functions; and what a value makes fail."""

from __future__ import annotations

from support.construct import PYTHON, Construct, Group

SELECT = Group(
    "Columns and predicates",
    "https://docs.risingwave.com/sql/commands/sql-select",
    (
        Construct(
            "columns and expressions",
            "select event_id, amount * 2 + 1 as twice, upper(note) as note from events",
        ),
        Construct("WHERE", "select event_id from events where amount > 1 and note is not null"),
        Construct(
            "OR, IN, BETWEEN, LIKE",
            "select event_id from events where amount in (1, 2) or price between 1 and 2 or note like 'a%'",
        ),
        Construct("IS DISTINCT FROM", "select event_id from events where user_id is distinct from 'u1'"),
        Construct(
            "CASE, COALESCE, NULLIF, GREATEST",
            "select event_id, case when amount > 2 then 'many' else coalesce(nullif(note, ''), 'none') end as label, greatest(amount, 2) as most from events",
        ),
        Construct("SELECT DISTINCT", "select distinct user_id, item_id from events"),
        Construct(
            "common table expressions",
            "with cheap as (select item_id from items where price < 5) select item_id from cheap",
        ),
        Construct(
            "subquery in FROM",
            "select s.item_id from (select item_id, price from items where price > 1) as s where s.price < 9",
        ),
        Construct("VALUES", "select v.kind from (values ('a'), ('b')) as v (kind)", note="never changes"),
        Construct("SELECT *", "select * from items", "MS019", "incremental; columns added later stay out"),
        Construct("column without a name", "select price + 1 from items", "MS020", "refused"),
        Construct(
            "WITH RECURSIVE",
            "with recursive r as (select item_id from items) select item_id from r",
            "MS010",
            "refused",
        ),
        Construct("TABLESAMPLE", "select item_id from items tablesample system (10)", "MS010", "refused"),
        Construct("parameters", "select event_id, $1 as given from events", "MS010", "refused"),
        Construct(
            "random(), uuids, clocks, sessions",
            "select item_id, random() as r from items",
            "MS013",
            "refused; impure",
        ),
    ),
)

FUNCTIONS = Group(
    "Types and functions",
    "https://docs.risingwave.com/sql/functions/overview",
    (
        Construct(
            "casts",
            "select event_id, cast(amount as varchar) as a, amount::double precision as d from events",
        ),
        Construct(
            "text",
            "select event_id, lower(note) || '-' || length(note) as n, substring(note from 1 for 1) as f, trim(note) as t from events",
        ),
        Construct(
            "numbers",
            "select event_id, abs(amount - 3) as a, round(price::numeric, 1) as r, floor(price) as f from events",
        ),
        Construct(
            "times",
            "select event_id, date_trunc('hour', occurred_at) as h, extract(epoch from occurred_at) as e, occurred_at + interval '1 day' as t from events",
        ),
        Construct(
            "jsonb",
            "select item_id, details ->> 'colour' as colour, (details -> 'size') is null as sized from items",
        ),
        Construct(
            "jsonb in the arguments of a function",
            "select item_id, coalesce(details -> 'size', details -> 'colour') as d from items",
        ),
        Construct(
            "arrays",
            "select item_id, tags[1] as first_tag, cardinality(tags) as n, array_length(tags, 1) as l from items",
        ),
        Construct(
            "functions that only RisingWave has",
            "select item_id, array_length(tags) as n, array_max(tags) as last, array_distinct(tags || tags) as once from items",
            postgres="select item_id, cardinality(tags) as n, (select max(t) from unnest(tags) as t) as last, tags as once from items",
            note="rewritten",
        ),
        Construct("an empty array", "select item_id, coalesce(tags, array[]::varchar[]) as tags from items"),
        Construct(
            "a unit or a format that is a column",
            "select event_id, date_trunc(case when amount > 2 then 'day' else 'hour' end, occurred_at) as t from events",
        ),
        Construct(
            "functions of maps, vectors and encryption",
            "select item_id, map_from_key_values(tags, tags) as m from items",
            "MS079",
            "incremental",
        ),
        Construct(
            "casts to struct",
            "select item_id, (row(item_id, price)::struct<i varchar, p double precision>).i as i from items",
            postgres="select item_id, item_id as i from items",
        ),
        Construct(
            "casts to map, vector",
            "select item_id::map(varchar, int) as m from items",
            "MS073",
            "incremental",
        ),
        Construct(
            "functions that only PostgreSQL has",
            "select item_id, gcd(price, 4) as g from items",
        ),
        Construct(
            "operators that only PostgreSQL has",
            "select event_id from events where note ~* 'X'",
        ),
        Construct(
            "types that only PostgreSQL has, lengths, precisions",
            "select event_id, price::numeric(10, 2) as p from events",
        ),
        Construct("hashes", "select event_id, md5(note) as m from events"),
        Construct(
            "Python function in the SELECT list",
            f"select event_id, {PYTHON}(amount) as x from events",
            postgres="select event_id, amount * 3 as x from events",
            note="evaluated when a row comes, stored",
        ),
        Construct(
            "Python function elsewhere",
            f"select event_id from events where {PYTHON}(amount) > 1",
            "MS018",
            "refused where rows may be retracted",
        ),
        Construct(
            "generated column of a source table", "select item_id, shelf from items where shelf like 'tea%'"
        ),
        Construct("SQL function", "select item_id, dear(price) as is_dear from items where dear(price + 1)"),
        Construct(
            "SQL function with other arguments", "select dear(price, 1) as d from items", "MS059", "refused"
        ),
    ),
)

FAILURES = Group(
    "Values that make an operation fail",
    "https://docs.risingwave.com/sql/functions/overview",
    (
        Construct(
            "a bad cast of text is NULL",
            "select event_id, cast(note as integer) as n from events",
            postgres="select event_id, case when note ~ '^[0-9]+$' then note::integer end as n from events",
            note="counted in millstream.evaluation_errors",
        ),
        Construct(
            "so is a division by zero",
            "select event_id, 10 / (amount - 2) as q from events",
            postgres="select event_id, 10 / nullif(amount - 2, 0) as q from events",
            note="counted",
        ),
        Construct(
            "only the operation that fails is NULL",
            "select event_id, coalesce(cast(note as integer), -1) + amount as n from events",
            postgres="select event_id, coalesce(case when note ~ '^[0-9]+$' then note::integer end, -1) + amount as n from events",
            note="counted",
        ),
        Construct(
            "in aggregates too",
            "select user_id, sum(cast(note as integer)) as s from events group by user_id",
            postgres="select user_id, sum(case when note ~ '^[0-9]+$' then note::integer end) as s from events group by user_id",
            note="counted",
        ),
        Construct(
            "square roots, logarithms, powers",
            "select event_id, sqrt(amount - 2) as s, ln(amount - 1) as l from events",
            postgres="select event_id, case when amount >= 2 then sqrt(amount - 2) end as s, case when amount > 1 then ln(amount - 1) end as l from events",
            note="counted",
        ),
        Construct(
            "times by a format",
            "select event_id, to_date(nullif(note, ''), 'YYYYMMDD') as d from events",
            postgres="select event_id, case when note ~ '^[0-9]{8}$' then to_date(note, 'YYYYMMDD') end as d from events",
            note="counted",
        ),
        Construct(
            "integer arithmetic out of range",
            "select event_id, amount * 1000000 as big from events",
            risingwave="incremental; NULL",
            note="the row is set aside in millstream.dead_row",
        ),
    ),
)
