-- A user's list as rows, in the order of the blend, or of the SQL score where the blend failed.
select
    l.user_id,
    l.computed_at,
    l.variant,
    l.model_version,
    l.tier,
    'personal' as source,
    cast(r.slot as integer) as slot,
    r.item_id,
    r.score,
    r.strategy,
    r.reason_item_id
from {{ ref('rank_user_list') }} as l
cross join
    unnest(l.recommended) with ordinality
        as r (item_id, score, strategy, reason_item_id, slot)

union all

select
    l.user_id,
    l.computed_at,
    l.variant,
    l.model_version,
    l.tier,
    'sql_fallback' as source,
    cast(x.slot as integer) as slot,
    x.item_id,
    l.scores[cast(x.slot as integer)] as score,
    l.strategies[cast(x.slot as integer)] as strategy,
    l.reason_item_ids[cast(x.slot as integer)] as reason_item_id
from {{ ref('rank_user_list') }} as l
cross join unnest(l.item_ids) with ordinality as x (item_id, slot)
where
    l.recommended is null
    and x.slot <= {{ var('list_length') }}
    and l.scores[cast(x.slot as integer)] > 0
