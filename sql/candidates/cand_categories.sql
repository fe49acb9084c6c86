-- How much of a user's recent attention each category has (from 0 to 1, more of it counts less
-- and less), and the newest item in it.
with

attention as (

    select
        r.user_id,
        r.variant,
        r.acted_at,
        i.category,
        {{ sum_of_scores('r.weight') }} as weight,
        array_agg(r.item_id order by r.position) as item_ids
    from {{ ref('cand_recent_items') }} as r
    inner join {{ ref('items') }} for system_time as of proctime() as i
        on i.item_id = r.item_id
    group by r.user_id, r.variant, r.acted_at, i.category

)

select
    user_id,
    variant,
    acted_at,
    category,
    weight / (1 + weight) as affinity,
    item_ids[1] as reason_item_id
from attention
