-- The segment of a user. Users without one belong to segment *, which is everybody.
select
    d.user_id,
    d.variant,
    d.acted_at,
    coalesce(u.segment, '*') as segment
from {{ ref('cand_driver') }} as d
left join {{ ref('users') }} for system_time as of proctime() as u
    on u.user_id = d.user_id
