-- The segment of a user. Users without one belong to segment *, which is everybody.
select
    d.user_id,
    d.variant,
    d.acted_at,
    coalesce(u.segment, '*') as segment
from {{ ref('feat_user_recent') }} as d
left join {{ ref('users') }} for system_time as of proctime() as u
    on u.user_id = d.user_id
