{{ config(materialized='ephemeral') }}
-- The blended list of a user as arrays, for copies elsewhere. A user for whom the blend failed
-- has none.
select
    l.user_id,
    l.computed_at,
    l.variant,
    l.model_version,
    l.tier,
    array_agg(r.item_id order by r.slot) as item_ids,
    array_agg(r.score order by r.slot) as scores
from {{ ref('rank_user_list') }} as l
cross join
    unnest(l.recommended) with ordinality
        as r (item_id, score, strategy, reason_item_id, strategies, contributions, slot)
group by l.user_id, l.computed_at, l.variant, l.model_version, l.tier
