{{ config(materialized='ephemeral') }}
-- All candidates of a user with the weight of their strategy in the user's variant. The user's
-- recent items come along as strategy `recent`: they are the input of the blend's user vector.
with

candidates as (

{% for strategy in [
    'covisitation', 'bought_together', 'embedding', 'session_affinity', 'trending',
    'buy_again', 'popularity'
] %}
    select
        user_id,
        variant,
        acted_at,
        item_id,
        score,
        strategy,
        reason_item_id
    from {{ ref('cand_' ~ strategy) }}

    union all
{% endfor %}
    select
        user_id,
        variant,
        acted_at,
        item_id,
        weight as score,
        'recent' as strategy,
        item_id as reason_item_id
    from {{ ref('cand_recent_items') }}

)

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
from candidates as c
left join {{ ref('ranking_weights') }} for system_time as of proctime() as w
    on w.variant = c.variant
