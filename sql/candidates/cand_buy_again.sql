-- What this user buys over and over.
select
    d.user_id,
    d.variant,
    d.acted_at,
    x.item_id,
    s.scores[cast(x.slot as integer)] as score,
    x.item_id as reason_item_id
from {{ ref('feat_user_recent') }} as d
inner join {{ ref('feat_user_staples') }} for system_time as of proctime() as s
    on s.user_id = d.user_id
cross join unnest(s.item_ids) with ordinality as x (item_id, slot)
