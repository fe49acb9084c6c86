{{ config(materialized='materialized_view', change_feed='1D') }}
-- The recommended items of a user, recomputed when that user acts and at no other time. The
-- lists that the blend was given are kept beside its result, for the day it fails. What is of
-- the person and not of a list stands in the row of strategy `recent`.
with

candidates as (

    select
        user_id,
        max(acted_at) filter (where strategy = 'recent') as computed_at,
        max(variant) filter (where strategy = 'recent') as variant,
        sum(cardinality(item_ids)) filter (where strategy = 'recent') as known_items,
        array_agg(
            cast(
                row(strategy, reason_item_id, weight, factor, item_ids, scores)
                as {{ candidate_list() }}
            )
            order by strategy, reason_item_id
        ) as lists
    from {{ ref('cand_all') }}
    group by user_id

)

select
    c.user_id,
    c.computed_at,
    c.variant,
    m.model_version,
    case when c.known_items >= {{ var('collaborative_items') }} then 2 else 1 end as tier,
    {{ function('blend_v2') }}(
        c.lists,
        w.strategies,
        w.weights,
        {{ var('recent_items') + var('candidates') }},
        {{ var('list_length') }},
        cast({{ var('repeat_decay') }} as double precision),
        cast({{ var('repeat_floor') }} as double precision),
        m.model_version
    ) as recommended,
    c.lists
from candidates as c
left join {{ ref('ranking_models') }} for system_time as of proctime() as m
    on m.variant = c.variant
left join {{ ref('rank_weights') }} for system_time as of proctime() as w
    on w.variant = c.variant
