-- What is popular with people like this user.
select
    d.user_id,
    d.variant,
    d.acted_at,
    x.item_id,
    cast(1 as double precision) / (x.slot + 1) as score,
    cast(null as varchar) as reason_item_id
from {{ ref('cand_segments') }} as d
inner join {{ ref('feat_segment_popular') }} for system_time as of proctime() as p
    on p.segment = d.segment
cross join unnest(p.item_ids) with ordinality as x (item_id, slot)
where x.slot <= {{ var('candidate_popular') }}
