{{ config(materialized='materialized_view') }}
-- Stepped decay: each person counts once per window, more in the shorter ones. A view may use
-- now() only as a filter, hence three filtered branches and no decay function. The windows are
-- constants, because the names of the vars and of users_24h tell them.
with

acts as (

    select
        item_id,
        {{ var('trending_1h') }} as weight,
        0 as users_24h
    from {{ ref('feat_user_items') }}
    where last_acted_at > now() - interval '1 hour' and interest > 0

    union all

    select
        item_id,
        {{ var('trending_6h') }} as weight,
        0 as users_24h
    from {{ ref('feat_user_items') }}
    where last_acted_at > now() - interval '6 hours' and interest > 0

    union all

    select
        item_id,
        {{ var('trending_24h') }} as weight,
        1 as users_24h
    from {{ ref('feat_user_items') }}
    where last_acted_at > now() - interval '24 hours' and interest > 0

)

select
    item_id,
    sum(weight) as trend,
    sum(users_24h) as users_24h
from acts
group by item_id
