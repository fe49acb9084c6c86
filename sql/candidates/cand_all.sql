-- All candidates of a user, an item once per strategy and reason: the union of var `strategies`
-- in dbt_project.yml, where row `name` stands for `cand_<name>.sql` in this folder.
-- The recent items come along as strategy `recent`: they are no candidates, but the user vector
-- of the blend, and being close to that weighs what strategy `embedding` does.
{% for strategy in strategies() if strategy.enabled -%}
select
    user_id,
    variant,
    acted_at,
    item_id,
    score,
    '{{ strategy.name }}' as strategy,
    '{{ strategy.name }}' as weighs_as,
    cast({{ strategy.weight }} as double precision) as default_weight,
    reason_item_id
from {{ ref('cand_' ~ strategy.name) }}

union all

{% endfor -%}
select
    user_id,
    variant,
    acted_at,
    item_id,
    weight as score,
    'recent' as strategy,
    'embedding' as weighs_as,
    {{ strategy_weight('embedding') }} as default_weight,
    item_id as reason_item_id
from {{ ref('cand_recent_items') }}
