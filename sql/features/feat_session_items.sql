{{ config(materialized='materialized_view', indexes=[{'columns': ['item_id']}]) }}
-- The first items of a session. Capped by arrival and keyed by the first sight of an item, so
-- that a long session or a second look never retracts a pair that is already counted.
with

seen as (

    select
        session_id,
        item_id,
        min(occurred_at) as first_at,
        bool_or(event_type = 'purchase') as is_purchased
    from {{ ref('stg_events') }}
    where
        session_id is not null
        and item_id is not null
        and event_type in (
            'select_item', 'view_item', 'add_to_cart', 'begin_checkout', 'purchase'
        )
        and occurred_at > now() - interval '{{ var("pair_window_days") }} days'
    group by session_id, item_id

),

ranked as (

    select
        session_id,
        item_id,
        first_at,
        is_purchased,
        row_number() over (
            partition by session_id order by first_at, item_id
        ) as rn
    from seen

)

select
    session_id,
    item_id,
    first_at,
    is_purchased
from ranked
where rn <= {{ var('session_items') }}
