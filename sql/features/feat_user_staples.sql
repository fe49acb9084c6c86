{{ config(materialized='materialized_view') }}
-- What a person bought more than once, most often first.
with

ranked as (

    select
        user_id,
        item_id,
        purchases,
        row_number() over (
            partition by user_id order by purchases desc, item_id
        ) as rn
    from {{ ref('feat_user_items') }}
    where purchases >= {{ var('staple_purchases') }} and units > 0

)

select
    user_id,
    array_agg(item_id order by purchases desc, item_id) as item_ids,
    array_agg(
        {{ rounded_score(
            'cast(purchases as double precision) / (purchases + ' ~ var('staple_half') ~ ')'
        ) }}
        order by purchases desc, item_id
    ) as scores
from ranked
where rn <= {{ var('staple_items') }}
group by user_id
