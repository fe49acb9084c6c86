{{ config(materialized='materialized_view', change_feed='1D') }}
-- The recommended items of a user, recomputed when that user acts and at no other time. What
-- the blend was given is kept beside its result, in the order of the SQL score, for the day it
-- fails.
select
    user_id,
    max(acted_at) as computed_at,
    max(variant) as variant,
    max(model_version) as model_version,
    case
        when
            count(*) filter (where recency > 0) >= {{ var('collaborative_items') }}
            then 2
        else 1
    end as tier,
    {{ function('blend_v1') }}(
        array_agg(item_id order by sql_score desc, item_id),
        array_agg(sql_score order by sql_score desc, item_id),
        array_agg(embedding_score order by sql_score desc, item_id),
        array_agg(recency order by sql_score desc, item_id),
        array_agg(category order by sql_score desc, item_id),
        array_agg(brand order by sql_score desc, item_id),
        array_agg(strategy order by sql_score desc, item_id),
        array_agg(reason_item_id order by sql_score desc, item_id),
        max(embedding_weight),
        max(model_version)
    ) as recommended,
    array_agg(item_id order by sql_score desc, item_id) as item_ids,
    array_agg(sql_score order by sql_score desc, item_id) as scores,
    array_agg(strategy order by sql_score desc, item_id) as strategies,
    array_agg(reason_item_id order by sql_score desc, item_id) as reason_item_ids
from {{ ref('rank_features') }}
group by user_id
