-- The recent items of a user, newest first: what most candidates are derived from, and the
-- user's vector in the blend. Newer items weigh more.
select
    d.user_id,
    d.variant,
    d.acted_at,
    r.item_id,
    r.position,
    cast(1 as double precision) / r.position as weight
from {{ ref('feat_user_recent') }} as d
cross join unnest(d.item_ids) with ordinality as r (item_id, position)
