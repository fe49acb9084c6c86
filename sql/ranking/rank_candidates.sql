{{ config(materialized='ephemeral') }}
-- All candidates of a user with the weight of their strategy in the user's variant.
select
    c.user_id,
    c.variant,
    c.acted_at,
    c.item_id,
    c.score,
    c.score * {{ strategy_weight('c.strategy', 'w') }} as contribution,
    c.strategy,
    c.reason_item_id,
    w.model_version,
    coalesce(w.embedding, {{ var('default_embedding') }}) as embedding_weight
from {{ ref('cand_all') }} as c
left join {{ ref('ranking_weights') }} for system_time as of proctime() as w
    on w.variant = c.variant
