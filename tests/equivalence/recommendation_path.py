"""The per-user path of recommendations in small: tables, views and the Python function that ranks."""

from __future__ import annotations

from pathlib import Path

from tests.equivalence.engine import Engine

RECENT = 2
"""How many recent items of a user count."""

TABLES = {
    "events": "create table events (event_id varchar, user_id varchar, item_id varchar, occurred_at timestamptz,"
    " primary key (event_id)) on conflict do nothing",
    "neighbours": "create table neighbours (item_id varchar primary key, neighbour_ids varchar[],"
    " scores double precision[])",
    "members": "create table members (user_id varchar primary key, variant varchar)",
    "weights": "create table weights (variant varchar primary key, weight double precision)",
    "stock": "create table stock (item_id varchar primary key, quantity integer)",
}

FEAT_USER_RECENT = f"""
select user_id, max(occurred_at) as acted_at, array_agg(item_id order by occurred_at desc, event_id) as items
from (
    select user_id, item_id, event_id, occurred_at,
        row_number() over (partition by user_id order by occurred_at desc, event_id) as rn
    from events
    where item_id is not null
) as e
where rn <= {RECENT}
group by user_id
"""

RANK_USER_LIST = """
with recent as (
    select u.user_id, u.acted_at, i.item_id, i.position
    from feat_user_recent as u
    cross join unnest(u.items) with ordinality as i(item_id, position)
),

met as (
    select r.user_id, r.acted_at, r.item_id as reason_item_id, r.position, n.neighbour_ids, n.scores
    from recent as r
    join neighbours for system_time as of proctime() as n on n.item_id = r.item_id
),

candidates as (
    select m.user_id, m.acted_at, x.item_id, x.score / m.position as score, 'covisitation' as strategy
    from met as m
    cross join unnest(m.neighbour_ids, m.scores) as x(item_id, score)

    union all

    select r.user_id, r.acted_at, r.item_id, cast(0.25 as double precision) as score, 'recent' as strategy
    from recent as r
),

weighted as (
    select c.user_id, c.acted_at, c.item_id, c.score, c.strategy, v.weight
    from candidates as c
    left join members for system_time as of proctime() as m on m.user_id = c.user_id
    left join weights for system_time as of proctime() as v on v.variant = m.variant
),

features as (
    select user_id, item_id, max(acted_at) as acted_at, sum(score) as score, max(weight) as weight,
        count(*) filter (where strategy = 'recent') as recents
    from weighted
    group by user_id, item_id
)

select user_id, max(acted_at) as computed_at, sum(recents) as recents,
    array_agg(item_id order by item_id) as item_ids,
    order_items(array_agg(item_id order by item_id), array_agg(score order by item_id), max(weight)) as list
from features
group by user_id
"""

SERVE = """
select l.user_id, l.computed_at, r.rank, r.item_id, r.score
from rank_user_list as l
cross join unnest(l.list) with ordinality as r(item_id, score, rank)
join stock as s on s.item_id = r.item_id and s.quantity > 0
"""


def deploy_sources(engine: Engine) -> None:
    """Deploy the tables, the function and each user's recent items, which drive the lists."""
    for name, ddl in TABLES.items():
        engine.deploy_table(name, ddl)
    engine.deploy_function(
        "order_items",
        [("item_ids", "varchar[]"), ("scores", "double precision[]"), ("weight", "double precision")],
        "struct<item_id varchar, score double precision>[]",
        Path(__file__).with_name("ranking_function.py"),
    )
    engine.deploy_view("feat_user_recent", FEAT_USER_RECENT)


def deploy_lists(engine: Engine) -> None:
    """Deploy the lists, which fills them for every user there is, and the view that serves them."""
    engine.deploy_view("rank_user_list", RANK_USER_LIST)
    engine.deploy_view("serve", SERVE, materialized=False)
