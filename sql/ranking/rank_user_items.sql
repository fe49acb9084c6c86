-- A user's list as rows, in the order of the blend, or of the lists' sums where it failed.
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
        as r (item_id, score, strategy, reason_item_id, strategies, contributions, slot)

union all

select
    user_id,
    computed_at,
    variant,
    model_version,
    tier,
    'sql_fallback' as source,
    cast(slot as integer) as slot,
    item_id,
    score,
    strategy,
    reason_item_id
from {{ ref('rank_fallback') }}
where slot <= {{ var('list_length') }}
