-- Items close to this user's recent items in the embedding space, seen together or not.
select
    r.user_id,
    r.variant,
    r.acted_at,
    x.item_id,
    n.scores[cast(x.slot as integer)] * r.weight as score,
    r.item_id as reason_item_id
from {{ ref('cand_recent_items') }} as r
inner join {{ ref('embedding_neighbours') }} for system_time as of proctime() as n
    on n.item_id = r.item_id
cross join unnest(n.neighbour_ids) with ordinality as x (item_id, slot)
where
    r.position <= {{ var('embedding_items') }}
    and x.slot <= {{ var('candidate_neighbours') }}
