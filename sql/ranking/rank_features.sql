{{ config(materialized='ephemeral') }}
-- One row per user and candidate item: what all strategies together say, which of them says it
-- loudest, and why. The best candidates of a user go on to the blend.
with

items_of_user as (

    select
        user_id,
        variant,
        item_id,
        max(acted_at) as acted_at,
        max(weight) filter (where strategy = 'recent') as embedding_weight,
        coalesce(
            {{ sum_of_scores('score', "strategy = 'recent'") }}, 0
        ) as recency,
        {{ sum_of_scores('contribution') }} as sql_score,
        coalesce(
            {{ sum_of_scores('contribution', "strategy = 'embedding'") }}, 0
        ) as embedding_score,
        array_agg(
            strategy order by contribution desc, strategy, reason_item_id
        ) as strategies,
        array_agg(
            reason_item_id order by contribution desc, strategy, reason_item_id
        ) as reason_item_ids
    from {{ ref('rank_candidates') }}
    group by user_id, variant, item_id

),

ranked as (

    select
        user_id,
        variant,
        item_id,
        acted_at,
        embedding_weight,
        recency,
        sql_score,
        embedding_score,
        strategies,
        reason_item_ids,
        row_number() over (
            partition by user_id order by recency desc, sql_score desc, item_id
        ) as rn
    from items_of_user

)

select
    r.user_id,
    r.variant,
    r.item_id,
    r.acted_at,
    r.embedding_weight,
    r.recency,
    r.sql_score,
    r.embedding_score,
    r.strategies[1] as strategy,
    r.reason_item_ids[1] as reason_item_id,
    r.rn,
    i.category,
    i.brand
from ranked as r
left join {{ ref('items') }} for system_time as of proctime() as i
    on i.item_id = r.item_id
where r.rn <= {{ var('recent_items') + var('candidates') }}
