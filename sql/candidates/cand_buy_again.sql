-- What this user buys over and over.
select
    d.user_id,
    d.variant,
    d.acted_at,
    cast(null as varchar) as reason_item_id,
    cast(1 as double precision) as factor,
    s.item_ids,
    s.scores
from {{ ref('feat_user_recent') }} as d
inner join {{ ref('feat_user_staples') }} for system_time as of proctime() as s
    on s.user_id = d.user_id
