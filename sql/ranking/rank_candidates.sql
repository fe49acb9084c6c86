{{ config(materialized='ephemeral') }}
-- All candidates of a user with the weight of their strategy in the user's variant.
select
    c.user_id,
    c.variant,
    c.acted_at,
    c.item_id,
    c.score,
    case
        when c.strategy = 'recent' then 0
        else c.score * coalesce(w.weight, c.default_weight)
    end as contribution,
    coalesce(w.weight, c.default_weight) as weight,
    c.strategy,
    c.reason_item_id
from {{ ref('cand_all') }} as c
left join {{ ref('ranking_weights') }} for system_time as of proctime() as w
    on w.variant = c.variant and w.strategy = c.weighs_as
