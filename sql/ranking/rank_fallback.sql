{{ config(materialized='ephemeral') }}
-- The lists of those for whom the blend failed, unfolded and summed: what the blend begins
-- with. A weight beyond a million says enough, and no product of it overflows.
with

entries as (

    select
        u.user_id,
        u.computed_at,
        u.variant,
        u.model_version,
        u.tier,
        x.item_id,
        l.strategy,
        l.reason_item_id,
        least(greatest(coalesce(w.weight, l.weight), -1000000), 1000000)
        * l.factor
        * coalesce(
            l.scores[cast(x.slot as integer)],
            cast(1 as double precision) / (x.slot + 1)
        ) as contribution
    from {{ ref('rank_user_list') }} as u
    cross join
        unnest(u.lists) with ordinality
            as l (strategy, reason_item_id, weight, factor, item_ids, scores, place)
    left join {{ ref('ranking_weights') }} as w
        on w.variant = u.variant and w.strategy = l.strategy
    cross join unnest(l.item_ids) with ordinality as x (item_id, slot)
    where
        u.recommended is null
        and l.strategy <> 'recent'
        and (l.reason_item_id is null or l.reason_item_id <> x.item_id)

),

summed as (

    select
        user_id,
        computed_at,
        variant,
        model_version,
        tier,
        item_id,
        {{ sum_of_scores('contribution') }} as score,
        array_agg(
            strategy order by contribution desc, strategy, reason_item_id
        ) as strategies,
        array_agg(
            reason_item_id order by contribution desc, strategy, reason_item_id
        ) as reason_item_ids
    from entries
    group by user_id, computed_at, variant, model_version, tier, item_id

)

select
    user_id,
    computed_at,
    variant,
    model_version,
    tier,
    item_id,
    score,
    strategies[1] as strategy,
    reason_item_ids[1] as reason_item_id,
    row_number() over (partition by user_id order by score desc, item_id) as slot
from summed
where score > 0
