-- Items that others bought together with this user's recent items.
select
    r.user_id,
    r.variant,
    r.acted_at,
    r.item_id as reason_item_id,
    r.weight as factor,
    n.neighbour_ids[1:{{ var('candidate_bought_together') }}] as item_ids,
    n.scores[1:{{ var('candidate_bought_together') }}] as scores
from {{ ref('cand_recent_items') }} as r
inner join {{ ref('i2i_bought_together') }} for system_time as of proctime() as n
    on n.item_id = r.item_id
