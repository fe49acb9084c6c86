-- All lists of candidates of a user, one per strategy and reason: the union of var `strategies`
-- in dbt_project.yml, where row `name` stands for `cand_<name>.sql` in this folder.
-- The recent items come along as strategy `recent`: they are no candidates, but the user vector
-- of the blend, and being close to that weighs what strategy `embedding` does.
{% for strategy in strategies() if strategy.enabled -%}
select
    user_id,
    variant,
    acted_at,
    '{{ strategy.name }}' as strategy,
    reason_item_id,
    cast({{ strategy.weight }} as double precision) as weight,
    factor,
    item_ids,
    scores
from {{ ref('cand_' ~ strategy.name) }}

union all

{% endfor -%}
select
    user_id,
    variant,
    acted_at,
    'recent' as strategy,
    cast(null as varchar) as reason_item_id,
    {{ strategy_weight('embedding') }} as weight,
    cast(0 as double precision) as factor,
    item_ids,
    cast(null as double precision[]) as scores
from {{ ref('feat_user_recent') }}
