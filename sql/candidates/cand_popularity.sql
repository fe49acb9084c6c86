-- What is popular with people like this user.
select
    d.user_id,
    d.variant,
    d.acted_at,
    cast(null as varchar) as reason_item_id,
    cast(1 as double precision) as factor,
    p.item_ids[1:{{ var('candidate_popular') }}] as item_ids,
    cast(null as double precision[]) as scores
from {{ ref('cand_segments') }} as d
inner join {{ ref('feat_segment_popular') }} for system_time as of proctime() as p
    on p.segment = d.segment
