{{ config(materialized='materialized_view', change_feed='1D') }}
-- The recommended items of a user, recomputed when that user acts and at no other time. What
-- the blend was given is kept beside its result, in the order of the SQL score, for the day it
-- fails.
with

candidates as (

    select
        user_id,
        max(acted_at) as computed_at,
        max(variant) as variant,
        max(embedding_weight) as embedding_weight,
        case
            when
                count(*) filter (where recency > 0) >= {{ var('collaborative_items') }}
                then 2
            else 1
        end as tier,
        array_agg(item_id order by sql_score desc, item_id) as item_ids,
        array_agg(sql_score order by sql_score desc, item_id) as scores,
        array_agg(embedding_score order by sql_score desc, item_id) as embedding_scores,
        array_agg(recency order by sql_score desc, item_id) as recencies,
        array_agg(category order by sql_score desc, item_id) as categories,
        array_agg(brand order by sql_score desc, item_id) as brands,
        array_agg(strategy order by sql_score desc, item_id) as strategies,
        array_agg(reason_item_id order by sql_score desc, item_id) as reason_item_ids
    from {{ ref('rank_features') }}
    group by user_id

)

select
    c.user_id,
    c.computed_at,
    c.variant,
    m.model_version,
    c.tier,
    {{ function('blend_v1') }}(
        c.item_ids,
        c.scores,
        c.embedding_scores,
        c.recencies,
        c.categories,
        c.brands,
        c.strategies,
        c.reason_item_ids,
        c.embedding_weight,
        m.model_version
    ) as recommended,
    c.item_ids,
    c.scores,
    c.strategies,
    c.reason_item_ids
from candidates as c
left join {{ ref('ranking_models') }} for system_time as of proctime() as m
    on m.variant = c.variant
