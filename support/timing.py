"""What depends on the clock."""

from __future__ import annotations

from support.construct import Construct, Group

TIME = Group(
    "Time",
    "https://docs.risingwave.com/processing/sql/temporal-filters",
    (
        Construct(
            "rows of the last while",
            "select event_id from events where occurred_at > now() - interval '30 minutes'",
        ),
        Construct(
            "the other way round",
            "select event_id from events where now() - interval '30 minutes' < occurred_at",
        ),
        Construct(
            "rows that are old enough",
            "select event_id from events where occurred_at <= now() - interval '30 minutes'",
        ),
        Construct(
            "two bounds",
            "select event_id from events where occurred_at > now() - interval '2 hours' and occurred_at <= now() - interval '30 minutes'",
        ),
        Construct(
            "on an expression", "select event_id from events where occurred_at + interval '1 hour' > now()"
        ),
        Construct(
            "BETWEEN two readings",
            "select event_id from events where occurred_at between now() - interval '1 hour' and now()",
        ),
        Construct(
            "whole hours, whole days",
            "select event_id from events where date_trunc('hour', occurred_at) >= date_trunc('hour', now()) - interval '1 hour'",
        ),
        Construct(
            "on one day",
            "select event_id from events where date_trunc('day', occurred_at) = date_trunc('day', now())",
        ),
        Construct(
            "since midnight", "select event_id from events where occurred_at >= date_trunc('day', now())"
        ),
        Construct(
            "months before now",
            "select event_id from events where occurred_at > now() - interval '1 month'",
        ),
        Construct(
            "a cast of now()",
            "select event_id from events where occurred_at::date = now()::date",
        ),
        Construct(
            "TUMBLE",
            "select window_start, user_id, count(*) as n from tumble(events, occurred_at, interval '30 minutes')"
            " group by window_start, user_id",
            postgres=(
                "select date_bin('30 minutes', occurred_at, 'epoch') as window_start, user_id, count(*) as n"
                " from events group by 1, user_id"
            ),
        ),
        Construct(
            "HOP",
            "select window_start, window_end, count(*) as n from hop(events, occurred_at, interval '15 minutes',"
            " interval '30 minutes') group by window_start, window_end",
            postgres=(
                "select w as window_start, w + interval '30 minutes' as window_end, count(*) as n from events cross join"
                " lateral (values (date_bin('15 minutes', occurred_at, 'epoch')), (date_bin('15 minutes', occurred_at,"
                " 'epoch') - interval '15 minutes')) as v (w) where w is not null group by w"
            ),
        ),
        Construct(
            "TUMBLE by months",
            "select event_id from tumble(events, occurred_at, interval '1 month')",
            "MS058",
            "refused",
        ),
        Construct(
            "the age of a row",
            "select event_id from events where now() - occurred_at < interval '1 hour'",
            "MS014",
            "refused",
        ),
        Construct(
            "rolling aggregate",
            "select item_id, count(*) as n from events where occurred_at > now() - interval '1 hour' group by item_id",
        ),
        Construct(
            "rolling top-N",
            "select item_id, n from (select item_id, n, row_number() over (partition by 1 order by n desc, item_id) as rn from (select item_id, count(*) as n from events where occurred_at > now() - interval '1 hour' group by item_id) as c) as r where rn <= 2",
        ),
        Construct(
            "in HAVING",
            "select user_id, max(occurred_at) as last_seen from events group by user_id having max(occurred_at) > now() - interval '1 hour'",
        ),
        Construct(
            "below a join",
            "select e.event_id, i.price from events as e join items as i on i.item_id = e.item_id where e.occurred_at > now() - interval '1 hour'",
        ),
        Construct(
            "inside EXISTS",
            "select i.item_id from items as i where exists (select 1 from events as e where e.item_id = i.item_id and e.occurred_at > now() - interval '1 hour')",
        ),
        Construct("now() in the SELECT list", "select event_id, now() as at from events", "MS014", "refused"),
        Construct(
            "now() in CASE or FILTER",
            "select count(*) filter (where occurred_at > now()) as n from events",
            "MS014",
            "refused",
        ),
    ),
)
