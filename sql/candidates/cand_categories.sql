-- How much of a user's recent attention each category has (from 0 to 1, more of it counts less
-- and less), and the items in it, newest first.
select
    r.user_id,
    r.variant,
    max(r.acted_at) as acted_at,
    i.category,
    {{ sum_of_scores('r.weight') }} / (1 + {{ sum_of_scores('r.weight') }}) as affinity,
    array_agg(r.item_id order by r.position) as reason_item_ids
from {{ ref('cand_recent_items') }} as r
inner join {{ ref('items') }} for system_time as of proctime() as i
    on i.item_id = r.item_id
group by r.user_id, r.variant, i.category
