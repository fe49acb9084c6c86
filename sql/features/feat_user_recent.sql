{{ config(materialized='materialized_view') }}
-- The driver of the per-user path: one row per user, so that any action re-evaluates the
-- whole list of that user and of nobody else. The variant is worked out here, once per action
-- instead of once per candidate.
with

ranked as (

    select
        user_id,
        item_id,
        last_acted_at,
        last_received_at,
        row_number() over (
            partition by user_id order by last_acted_at desc, item_id
        ) as rn
    from {{ ref('feat_user_items') }}
    where interest > 0

)

select
    user_id,
    {{ ranking_variant('user_id') }} as variant,
    max(last_received_at) as acted_at,
    array_agg(item_id order by last_acted_at desc, item_id) as item_ids
from ranked
where rn <= {{ var('recent_items') }}
group by user_id
