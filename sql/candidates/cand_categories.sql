-- How much of a user's recent attention each category has, and the newest item in it. Kept
-- apart because two candidate branches start from it.
select
    r.user_id,
    r.variant,
    max(r.acted_at) as acted_at,
    i.category,
    sum(r.weight) as affinity,
    array_agg(r.item_id order by r.position) as reason_item_ids
from {{ ref('cand_recent_items') }} as r
inner join {{ ref('items') }} for system_time as of proctime() as i
    on i.item_id = r.item_id
group by r.user_id, r.variant, i.category
